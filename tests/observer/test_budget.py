"""What one call may take: at the limit, just below it, just above it."""

from __future__ import annotations

import asyncio

import pytest

from observer.budget import ROW_BYTES, SLACK, Allowance, Dropped, Pace, Waiting
from observer.limits import Limits

PACED = Limits(events_per_second=8.0, bytes_per_second=1000.0, burst_seconds=2.0)


@pytest.mark.parametrize(("events", "paused"), [(15, False), (16, False), (17, True)])
def test_a_burst_of_events_is_read_at_once_and_no_more(events: int, paused: bool) -> None:
    pace = Pace(PACED)
    pauses = [pace.spend(1, now=5.0) for _ in range(events)]
    assert not any(pauses[:16]) and bool(pauses[-1]) == paused


@pytest.mark.parametrize(("size", "paused"), [(1999, False), (2000, False), (2001, True)])
def test_a_burst_of_bytes_too(size: int, paused: bool) -> None:
    assert bool(Pace(PACED).spend(size, now=5.0)) == paused


def test_in_the_long_run_the_rate_is_kept_with_few_pauses() -> None:
    pace, now, pauses = Pace(PACED), 100.0, 0
    for _ in range(1000):
        pause = pace.spend(1, now)
        now, pauses = now + pause, pauses + bool(pause)
    assert now - 100.0 == pytest.approx(1000 / 8 - 2, abs=SLACK * 2)
    assert pauses <= 1000 / (8 * SLACK * 2)
    assert pace.spend(1, now + 3600) == 0.0


@pytest.mark.parametrize(("size", "taken"), [(999, True), (1000, True), (1001, False)])
def test_a_call_is_recorded_up_to_its_allowance(size: int, taken: bool) -> None:
    allowance = Allowance(ROW_BYTES + 50 + ROW_BYTES + 1000)
    allowance.spend(50)
    assert allowance.takes("x", size) == taken
    assert allowance.is_used_up == (not taken)


def test_behind_it_only_use_and_troubles_are_and_not_for_ever() -> None:
    allowance = Allowance(10_000)
    assert not allowance.takes("x", 10_001)
    assert not allowance.takes("x", 1)  # nothing comes back, however small
    kept = 0
    while allowance.takes("response.done" if kept % 2 else "error", 100):
        allowance.spend(100)
        kept += 1
    assert kept == 11_000 // (100 + ROW_BYTES)


def test_what_was_dropped_is_counted_with_its_bounds() -> None:
    dropped = Dropped()
    for at, size in ((5, 10), (7, 20), (6, 30)):
        dropped.add(size, at)
    assert vars(dropped) == {"events": 3, "bytes": 60, "from_at": 5, "until_at": 6}


def test_a_socket_is_read_on_when_its_rows_are_on_disk_or_lost() -> None:
    async def scene() -> None:
        waiting = Waiting(2 * ROW_BYTES)
        waiting.add(0)
        waiting.add(0)
        await waiting.room()
        waiting.add(1)
        reading = asyncio.ensure_future(waiting.room())
        await asyncio.sleep(0)
        assert not reading.done()
        waiting.done(1)
        await reading
        waiting.add(10_000)
        waiting.give_up()
        waiting.add(10_000)
        await waiting.room()

    asyncio.run(scene())
