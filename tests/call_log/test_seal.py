"""The seal: what a key is, what a link covers, and how a chain goes on with the next holder."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_log import verify
from call_log.events import EventRow
from call_log.seal import BEGINNING, BadKey, Chain, Seal, digest_of
from call_log.store import Store
from tests.call_log.sealed import KEY, SEAL, dial_and_claim, end, some_bodies, write

ROW = EventRow(1, 5, 1_000, "upstream", "response.done", "event_1", b"{}")


@pytest.mark.parametrize(
    "key", [KEY, KEY.upper(), "A" * 43 + "=", "-_" * 21 + "A=", f"{KEY},{'11' * 32}", f" {KEY} "]
)
def test_a_key_is_hex_or_base64_and_never_shows(key: str) -> None:
    assert repr(Seal.of(key)) == "Seal(…)"
    assert KEY not in f"{Seal.of(key)} {vars(Seal.of(key)).keys()}"


@pytest.mark.parametrize("key", ["", "geheim", "5e" * 31, "5e" * 32 + "5", f"{KEY},", "ü" * 44, "A" * 40])
def test_what_is_no_key_is_refused_with_a_sentence_that_does_not_repeat_it(key: str) -> None:
    with pytest.raises(BadKey, match="SWITCHBOARD_SEAL_KEY must be") as refused:
        Seal.of(key)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [{"seq": 6}, {"at": 1_001}, {"source": "observer"}, {"type": "response.don"}, {"event_id": None},
     {"event_id": ""}, {"body": b"{} "}, {"source": "upstreamr", "type": "esponse.done"},
     {"browser": True}],
)  # fmt: skip
def test_every_part_of_an_event_is_in_its_link(change: dict[str, Any]) -> None:
    def link(row: EventRow) -> bytes | None:
        return Chain(SEAL, "call_1", b"salt", None).sealed(row).link

    assert link(ROW) == link(ROW)
    assert link(ROW._replace(**change)) != link(ROW)


def test_call_predecessor_salt_and_key_are_in_it_too() -> None:
    digest = digest_of(b"salt", ROW)
    links = {
        SEAL.link("call_1", BEGINNING, ROW, digest),
        SEAL.link("call_2", BEGINNING, ROW, digest),
        SEAL.link("call_1", b"p", ROW, digest),
        SEAL.link("call_1", BEGINNING, ROW, digest_of(b"salt2", ROW)),
        Seal.of("11" * 32).link("call_1", BEGINNING, ROW, digest),
    }
    assert len(links) == 5


@given(st.tuples(st.binary(), st.binary()), st.tuples(st.binary(), st.binary()))
def test_no_two_events_frame_alike(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    def digest(pair: tuple[bytes, bytes]) -> bytes:
        return digest_of(b"salt", ROW._replace(event_id=pair[0].hex(), body=pair[1]))

    assert (digest(one) == digest(other)) is (one == other)


def test_the_next_holder_goes_on_where_the_last_one_stopped(store: Store, seed: int) -> None:
    call = dial_and_claim(store)
    for count in (3, 1, 4):
        call = write(store, call, some_bodies(seed, count))
    verdict = verify.one(store, SEAL, end(store, call).call_id)
    assert verdict is not None
    assert (verdict.broken_at, verdict.events) == (None, 8)


def test_a_new_key_seals_and_the_old_one_is_still_believed(store: Store) -> None:
    rotated = Seal.of(f"{'11' * 32},{KEY}")
    call = write(store, dial_and_claim(store), [b"a", b"b"])
    call = write(store, call, [b"c"], seal=rotated)
    assert verify.one(store, rotated, call.call_id) == verify.Verdict(call.call_id, 3, erased=False)
    broken = verify.one(store, SEAL, call.call_id)
    assert broken is not None
    assert broken.broken_at == 3


def test_a_name_that_a_database_would_not_take_is_sealed_as_it_is_stored(store: Store) -> None:
    call = dial_and_claim(store)
    assert call.salt is not None
    row = EventRow(call.number, 1, 1, "upstream", "a\ud800b", "\udfff", b"x")
    sealed = Chain(SEAL, call.call_id, call.salt, None).sealed(row)
    assert (sealed.type, sealed.event_id) == ("a?b", "?")
