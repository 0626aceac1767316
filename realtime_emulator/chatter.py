"""Calls that speak by themselves, thousands in one loop: whose turn it is to say its next event, and which that is.

One task looks at all calls many times a second. Knows neither sockets nor who listens.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Sequence

from realtime_emulator.line import Line
from realtime_emulator.rehearsal import SPEECH_MS, Said

TICK_SECONDS = 0.01
LATEST_SECONDS = 1.0
"""When the loop was kept away longer than this, a call goes on from now instead of sending a burst."""
TURN_MS = 8_000
"""By so much each turn's `audio_start_ms` is behind the one before."""


class Chatter:
    """One call's endless conversation. `rate` is events per second, 0 for none."""

    def __init__(self, line: Line, exchanges: Sequence[Sequence[Said]], rate: float) -> None:
        self._line, self._exchanges, self.rate = line, exchanges, rate
        self._chance = random.Random(line.chance.random())
        self._letters, self._hexadecimal = line.ids.letters(13), line.ids.hexadecimal(8)
        self._turn, self._place, self._events, self._turns = exchanges[0], len(exchanges[0]), 0, 0
        self._names: dict[str, object] = {
            "session": line.session.id,
            "conversation": line.conversation.id,
            "answer": self._item("a"),
        }
        self.over = False
        self.entry = 0
        """Of its latest entry in the wheel; earlier ones are void."""

    def delay(self) -> float:
        """Seconds until the first event, so that calls do not speak in step."""
        return self._chance.random() / self.rate

    def say_next(self) -> None:
        if self._place == len(self._turn):
            self._begin_turn()
        type, text = self._turn[self._place]
        self._place += 1
        self._events += 1
        self._names["event"] = event_id = self._event_id(type)
        self._line.say(type, event_id, text % self._names)

    def _begin_turn(self) -> None:
        self._turn, self._place, self._turns = self._chance.choice(self._exchanges), 0, self._turns + 1
        start = self._turns * TURN_MS
        self._names |= {
            "last": self._names["answer"],
            "user": self._item("u"),
            "answer": self._item("a"),
            "response": f"resp_{self._letters}{self._turns:08x}",
            "start": start,
            "end": start + SPEECH_MS,
        }

    def _item(self, whose: str) -> str:
        return f"item_{self._letters[:12]}{whose}{self._turns:08x}"

    def _event_id(self, type: str) -> str:
        """In the recorded forms (`Identifiers.event`), numbered, so that no two are alike."""
        if type.startswith("output_audio_buffer."):
            return f"event_{self._hexadecimal}{self._events:08x}"
        return f"event_{self._letters}{self._events:08x}"


class Wheel:
    """Lets every chatter speak when it is due."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Chatter]] = []
        self._entries = 0

    def add(self, chatter: Chatter, after: float = 0.0) -> None:
        """It begins so many seconds from now; what was due of it before is forgotten."""
        chatter.entry = 0
        if chatter.rate > 0 and not chatter.over:
            self._push(self._clock() + after + chatter.delay(), chatter)

    def turn(self) -> None:
        """Everything that is due is said."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            due, number, chatter = heapq.heappop(self._due)
            if number == chatter.entry and not chatter.over:
                chatter.say_next()
                due = now if now - due > LATEST_SECONDS else due
                self._push(due + 1 / chatter.rate, chatter)

    async def run(self) -> None:
        while True:
            self.turn()
            await asyncio.sleep(TICK_SECONDS)

    def _push(self, due: float, chatter: Chatter) -> None:
        self._entries += 1
        chatter.entry = self._entries
        heapq.heappush(self._due, (due, self._entries, chatter))
