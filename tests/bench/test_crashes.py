"""What `bench.crashes` makes of kills; the kills themselves are tests/test_crash_points.py's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from bench import crashes


class Scripted:
    """A crash that ends as its test says; `houses` counts those that were put up."""

    houses = 0

    def __init__(self, ends: dict[str, list[object]]) -> None:
        self._ends = ends

    @contextlib.contextmanager
    def house(self, store: str) -> Iterator[Scripted]:
        self.houses += 1
        yield self

    def at(self, name: str) -> object:
        end = self._ends[name].pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    def verify(self) -> None:
        pass


def test_every_kill_is_told_and_a_house_that_went_wrong_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ends: dict[str, list[object]] = {
        "claimed": [{}, {}],
        "spilled": [AssertionError("waited for the next observer"), {"lost": ["one", "other"]}],
    }
    scripted = Scripted(ends)
    monkeypatch.setattr(crashes, "_house", scripted.house)
    kills = crashes.run(["claimed", "spilled"] * 2, "sqlite", houses=1)
    assert {name: (len(one.seconds), one.held) for name, one in kills.items()} == {
        "claimed": (2, 2),
        "spilled": (2, 0),
    }
    assert kills["spilled"].broken == [
        "went wrong: waited for the next observer",
        "lost: one",
        "lost: other",
    ]
    assert scripted.houses == 2
    crashes.tell(kills)
    assert "went wrong: waited" in capsys.readouterr().out


def test_seals_that_do_not_fit_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forged(Scripted):
        def verify(self) -> None:
            raise AssertionError("call 1 does not fit at 3")

    monkeypatch.setattr(crashes, "_house", Forged({"claimed": [{}]}).house)
    with pytest.raises(AssertionError, match="does not fit"):
        crashes.run(["claimed"], "sqlite", houses=1)
