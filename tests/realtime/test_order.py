"""Items stand where their predecessors say, in whatever order they arrive."""

from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from realtime.order import ROOT, Order

IDS = st.sampled_from("abcdef")
BESIDE = "beside"


def ordered(*placements: tuple[str, str | None]) -> list[str]:
    order = Order()
    for item_id, previous in placements:
        order.place(item_id, previous)
    return order.walk()


def put(order: Order, item_id: str, previous: str | None) -> bool:
    if previous == BESIDE:
        order.place_beside(item_id)
        return False
    return order.place(item_id, previous)


def test_items_follow_their_predecessors() -> None:
    assert ordered(("a", None), ("b", "a"), ("c", "b")) == ["a", "b", "c"]


def test_the_later_of_two_with_one_predecessor_stands_first() -> None:
    assert ordered(("a", None), ("b", "a"), ("c", "a"), ("d", "c")) == ["a", "c", "d", "b"]


def test_root_is_the_front() -> None:
    assert ordered(("a", None), ("b", "a"), ("c", ROOT), ("d", ROOT)) == ["d", "c", "a", "b"]


def test_an_unknown_predecessor_appends_and_relinks_when_it_appears() -> None:
    order = Order()
    assert [order.place("a", None), order.place("c", "b"), order.place("d", "c")] == [False] * 3
    assert order.walk() == ["a", "c", "d"]
    assert order.place("b", "a") is True
    assert order.walk() == ["a", "b", "c", "d"]
    assert order.place("e", "d") is False
    assert order.walk() == ["a", "b", "c", "d", "e"]


def test_an_item_announced_before_its_predecessor_is_named_costs_nothing() -> None:
    order = Order()
    order.place("a", None)
    assert order.place("b", None) is False
    assert order.place("b", "a") is False
    assert order.place("c", "b") is False
    assert order.walk() == ["a", "b", "c"]


def test_a_predecessor_named_late_moves_the_item_back() -> None:
    order = Order()
    for item_id, previous in (("a", None), ("b", "a"), ("x", None)):
        order.place(item_id, previous)
    assert order.walk() == ["a", "b", "x"]
    assert order.place("x", "a") is True
    assert order.walk() == ["a", "x", "b"]


def test_rings_and_selves_are_not_tied() -> None:
    assert sorted(ordered(("a", "b"), ("b", "a"))) == ["a", "b"]
    assert ordered(("a", "a"), ("b", "a")) == ["a", "b"]
    assert sorted(ordered(("a", "b"), ("b", "c"), ("c", "a"))) == ["a", "b", "c"]
    assert sorted(ordered(("a", None), ("b", "a"), ("a", "b"))) == ["a", "b"]


def test_what_stands_beside_stays_where_it_came() -> None:
    order = Order()
    order.place_beside("x")
    for item_id, previous in (("a", None), ("b", "a")):
        order.place(item_id, previous)
    order.place_beside("y")
    order.place_beside("z")
    order.place("c", "b")
    order.place_beside("b")
    assert order.walk() == ["x", "a", "b", "y", "z", "c"]
    assert order.place("y", None) is False
    assert order.place("y", "c") is True
    assert order.walk() == ["x", "a", "b", "z", "c", "y"]
    order.place("d", "y")
    assert order.walk() == ["x", "a", "b", "z", "c", "y", "d"]


def test_what_stands_beside_is_never_followed() -> None:
    order = Order()
    order.place("a", None)
    order.place("b", None)
    order.place_beside("x")
    assert order.place("b", "a") is False
    assert order.place("a", "root") is True
    order.place_beside("y")
    assert order.walk() == ["a", "b", "x", "y"]
    assert order.place("c", "b") is False
    assert order.walk() == ["a", "b", "x", "y", "c"]


@given(st.lists(st.tuples(IDS, IDS | st.none() | st.just(ROOT) | st.just(BESIDE))), st.integers(0, 20))
def test_no_item_is_lost_or_doubled_and_a_still_order_only_grows(
    placements: list[tuple[str, str | None]], read_at: int
) -> None:
    order, watched = Order(), Order()
    for place, (item_id, previous) in enumerate(placements):
        before = list(watched.walk())
        moved = put(watched, item_id, previous)
        assert put(order, item_id, previous) == moved, "whether somebody looked must not matter"
        if not moved:
            assert watched.walk()[: len(before)] == before
        if place == read_at:
            order.walk()
    assert sorted(watched.walk()) == sorted({item_id for item_id, _ in placements})
    assert order.walk() == watched.walk()


def test_any_arrival_of_a_chain_ends_in_the_same_order() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    chain = [(f"i{n}", f"i{n - 1}" if n else None) for n in range(200)]
    shuffled = chance.sample(chain, len(chain))
    assert ordered(*shuffled) == [item_id for item_id, _ in chain]


def test_a_long_conversation_is_placed_in_no_time() -> None:
    order, begun = Order(), time.perf_counter()
    for n in range(50_000):
        order.place(f"i{n}", None)
        assert not order.place(f"i{n}", f"i{n - 1}" if n else None)
    assert len(order.walk()) == 50_000
    assert time.perf_counter() - begun < 5
