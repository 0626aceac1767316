"""A flag against the standard library's event: whatever happens, the same ones go on."""

from __future__ import annotations

import asyncio
import random

import pytest

from observer.flag import Flag


async def gone_on(flag: Flag | asyncio.Event, seed: int) -> list[tuple[int, list[int], bool]]:
    """Who has gone on after each of many random steps, and whether it is set."""
    chance, told, waiting = random.Random(seed), list[int](), dict[int, asyncio.Task[None]]()

    async def wait(number: int) -> None:
        await flag.wait()
        told.append(number)

    seen = []
    for number in range(200):
        step = chance.choice(("wait", "wait", "set", "clear", "set and clear", "cancel", "turn", "turn"))
        if step == "wait":
            waiting[number] = asyncio.create_task(wait(number))
        elif step == "cancel" and waiting:
            waiting.pop(chance.choice(sorted(waiting))).cancel()
        elif step == "turn":
            await asyncio.sleep(0)
        if "set" in step:
            flag.set()
        if "clear" in step:
            flag.clear()
        seen.append((number, list(told), flag.is_set()))
    for one in waiting.values():
        one.cancel()
    await asyncio.gather(*waiting.values(), return_exceptions=True)
    return seen


def test_the_same_ones_go_on_as_with_the_standard_librarys() -> None:
    for seed in (random.randrange(2**32) for _ in range(20)):
        ours, theirs = asyncio.run(gone_on(Flag(), seed)), asyncio.run(gone_on(asyncio.Event(), seed))
        assert ours == theirs, f"seed {seed}"


def test_who_no_longer_waits_is_forgotten() -> None:
    async def give_up() -> Flag:
        flag = Flag()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flag.wait(), 0.001)
        return flag

    assert asyncio.run(give_up())._waiting == ()
