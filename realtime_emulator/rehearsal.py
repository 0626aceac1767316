"""Exchanges that are spoken once, by the same code as any call's, and kept as texts in which only names are missing.

Thousands of calls then say them again at the cost of filling in names. Knows no call and no time.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, NamedTuple

from realtime_emulator.answers import Words
from realtime_emulator.conversation import Conversation, Item
from realtime_emulator.dialects import Dialect
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.ledger import Ledger
from realtime_emulator.line import Line
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.response import Response, Voice
from realtime_emulator.script import Script
from realtime_emulator.session import Session
from realtime_emulator.sound import Cut, Silence, Spoken
from realtime_emulator.transcription import transcribe
from realtime_emulator.usage import Meter

EXCHANGES = (
    ("What is the capital of France?", "The capital of France is Paris, on the river Seine."),
    ("Can you tell me a joke, please?", "Why did the packet cross the network? To get to the other side."),
    ("What time is it where you are?", "I have no clock, only a conversation. A good time to talk."),
    ("I would like to book a table for two.", "With pleasure. For which evening shall I book it, and when?"),
    ("How long is the flight to London?", "About two hours. Shall I look for one that leaves tomorrow?"),
)
LOOKED_UP = "You are a friendly guide. Speak of nothing but what is written here.\n" + "".join(
    f"{number}. The museum's room {number} shows pictures of its year {number}; it opens at nine, closes at five.\n"
    for number in range(1, 61)
)
"""Before each turn the application puts what it looked up into the instructions: an event has some 430 bytes then."""
SPEECH_MS = 1800
"""For how long a caller is said to have spoken; `audio_start_ms` and `audio_end_ms` are this far apart."""
_START, _END = 987_654_321, 987_654_321 + SPEECH_MS
"""Stand for the times until they are filled in; no other number in an event looks like them."""


class Said(NamedTuple):
    """One event of an exchange. `text % names` is the event; `names` has those of `NAMES`, `start` and `end`."""

    type: str
    text: str


NAMES = ("event", "session", "conversation", "last", "user", "answer", "response")


class _Blanks(Identifiers):
    """Gives out the places of names instead of names."""

    def new(self, prefix: str) -> str:
        return {"item": "%(answer)s", "resp": "%(response)s"}[prefix]

    def event(self, type: str) -> str:
        return "%(event)s"


class _Stage(Silence):
    """An audience that hears the first word at once, so that the buffer's events come at their place."""

    flowing = True

    def __init__(self, line: Line) -> None:
        self._line = line
        self.response: Response | None = None

    def play(self, response_id: str, speech: Spoken, /) -> None:
        self._line.emit("output_audio_buffer.started", response_id=response_id)
        if self.response is not None:
            self.response.started.set()

    def clear(self) -> list[Cut]:
        return []


@dataclass
class _Notebook:
    """Whatever is said on the line, with its blanks."""

    said: list[Said]

    def send(self, text: str) -> bool:
        type = text.partition('"type":"')[2].partition('"')[0]
        blank = text.replace(f"{_START}", "%(start)d").replace(f"{_END}", "%(end)d")
        self.said.append(Said(type, blank))
        return True


async def rehearse(dialect: Dialect, seed: int) -> list[list[Said]]:
    """Every exchange of `EXCHANGES` as one vendor would tell it, from the caller's first sound to the last of ours."""
    return await asyncio.gather(*(_rehearse(dialect, seed, *one) for one in EXCHANGES))


async def _rehearse(dialect: Dialect, seed: int, heard: str, answer: str) -> list[Said]:
    line, notebook = _line(dialect, seed), _Notebook([])
    line.sidebands.append(notebook)
    line.emit("session.updated", session=line.session.as_json())
    item = _tell_speech(line, heard)
    stage = _Stage(line)
    response = stage.response = Response(line, Voice(stage, stage, Meter()), {}, [item], [Words(answer)])
    response.create()
    transcribe(line, item)
    await response.perform()
    line.emit("output_audio_buffer.stopped", response_id=response.id)
    return notebook.said


def _line(dialect: Dialect, seed: int) -> Line:
    chance = random.Random(f"{seed}/{dialect.name}/rehearsal")
    hearing = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    session = Session("%(session)s", {"instructions": LOOKED_UP, "audio": hearing}, 0)
    conversation = Conversation("%(conversation)s")
    conversation.insert(Item({"id": "%(last)s", "type": "message", "role": "assistant", "content": []}))
    ledger = Ledger()
    record = ledger.open_call("rehearsal", dialect.name)
    ids = _Blanks(chance)
    return Line(
        "rehearsal", dialect, ids, chance, session, conversation, Script(), Mishaps(), record, ledger, False
    )


def _tell_speech(line: Line, heard: str) -> Item:
    name: dict[str, Any] = {"item_id": "%(user)s"}
    line.emit("input_audio_buffer.speech_started", audio_start_ms=_START, **name)
    line.emit("input_audio_buffer.speech_stopped", audio_end_ms=_END, **name)
    content = [{"type": "input_audio", "transcript": None}]
    body = {
        "id": name["item_id"],
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": content,
    }
    item = Item(body, heard, SPEECH_MS)
    previous = line.conversation.insert(item)
    line.emit("input_audio_buffer.committed", previous_item_id=previous, **name)
    line.emit("conversation.item.added", previous_item_id=previous, item=item.as_json())
    line.emit("conversation.item.done", previous_item_id=previous, item=item.as_json())
    return item
