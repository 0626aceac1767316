"""The outgoing track keeps its pace, and says truly when a response's sound began and ended to leave."""

import asyncio
from itertools import count

from realtime_emulator.sound import Cut
from realtime_emulator.speaker import FRAME_BYTES, FRAME_MS, Speaker
from realtime_emulator.speech import Speech

LOUD = b"\x00\x20" * (FRAME_BYTES // 2)


class Pulled:
    """A speaker whose frames are pulled by hand, on a clock that is always late, so that none waits."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.speaker = Speaker(
            lambda one: self.told.append(f"started {one}"),
            lambda one: self.told.append(f"stopped {one}"),
            clock=count(0.0, 1.0).__next__,
        )

    async def pull(self) -> bytes:
        return bytes((await self.speaker.recv()).planes[0])[:FRAME_BYTES]


def test_a_sound_has_started_when_its_first_frame_has_left_and_not_before() -> None:
    async def play() -> None:
        pulled = Pulled()
        pulled.speaker.play("a", Speech(LOUD * 2))
        assert await pulled.pull() == LOUD
        assert pulled.told == []
        assert await pulled.pull() == LOUD
        assert pulled.told == ["started a"]
        assert await pulled.pull() == bytes(FRAME_BYTES)
        assert pulled.told == ["started a", "stopped a"]

    asyncio.run(play())


def test_two_responses_are_heard_one_after_the_other() -> None:
    async def play() -> None:
        pulled = Pulled()
        pulled.speaker.play("a", Speech(LOUD))
        pulled.speaker.play("b", Speech(LOUD))
        for _ in range(3):
            await pulled.pull()
        assert pulled.told == ["started a", "stopped a", "started b", "stopped b"]

    asyncio.run(play())


def test_what_is_cleared_is_silent_at_once_and_never_stops() -> None:
    async def play() -> None:
        pulled = Pulled()
        pulled.speaker.play("a", Speech(LOUD * 10))
        pulled.speaker.play("b", Speech(LOUD))
        for _ in range(3):
            await pulled.pull()
        assert pulled.speaker.clear() == [Cut("a", 3 * FRAME_MS), Cut("b", 0)]
        assert await pulled.pull() == bytes(FRAME_BYTES)
        assert pulled.told == ["started a"]
        assert pulled.speaker.clear() == []

    asyncio.run(play())


def test_what_is_cleared_with_its_first_frame_has_started_before_it_is_cut() -> None:
    async def play() -> None:
        pulled = Pulled()
        pulled.speaker.play("a", Speech(LOUD * 10))
        await pulled.pull()
        assert pulled.speaker.clear() == [Cut("a", FRAME_MS)]
        assert pulled.told == ["started a"]

    asyncio.run(play())


def test_what_is_cleared_with_its_last_frame_has_stopped_and_was_not_cut() -> None:
    async def play() -> None:
        pulled = Pulled()
        pulled.speaker.play("a", Speech(LOUD))
        await pulled.pull()
        assert pulled.speaker.clear() == []
        assert pulled.told == ["started a", "stopped a"]

    asyncio.run(play())


def test_what_was_never_made_is_not_heard() -> None:
    async def play() -> None:
        pulled = Pulled()
        pulled.speaker.play("a", Speech(LOUD * 10))
        await pulled.pull()
        pulled.speaker.shorten("a", 2 * FRAME_MS)
        assert await pulled.pull() == LOUD
        assert await pulled.pull() == bytes(FRAME_BYTES)
        assert pulled.told == ["started a", "stopped a"]

    asyncio.run(play())


def test_a_frame_leaves_each_20_ms() -> None:
    async def play() -> tuple[float, list[int]]:
        speaker = Speaker(lambda _: None, lambda _: None)
        loop = asyncio.get_running_loop()
        began = loop.time()
        stamps = [(await speaker.recv()).pts or 0 for _ in range(11)]
        return loop.time() - began, stamps

    seconds, stamps = asyncio.run(play())
    assert 0.19 < seconds < 1
    assert stamps == [i * 960 for i in range(11)]
    assert FRAME_MS == 20
