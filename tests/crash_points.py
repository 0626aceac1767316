"""Where a process may be killed: named points in the walk of a call, and how a test kills a real process there.

A process is started as `python -c ARMED`, which patches one function of the running program so that it is killed with
SIGKILL before or after that function, at the Nth time; nothing in the product knows of it. What holds after each is in
tests/test_crash_points.py.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Scene = Literal["connect", "claim", "commit", "outage", "return", "burial", "hand_over", "heir", "end"]
"""What a test does so that the point is reached. `outage`: the store is locked; `return`: it was, and comes back;
`burial`: another observer died before; `hand_over`: it is told to stop beside another; `heir`: another one is."""


@dataclass(frozen=True)
class Point:
    """`place` is `module:attribute`; where a name was imported into a module, it is patched in that module."""

    scene: Scene
    when: Literal["before", "after"]
    place: str
    hit: int = 1

    @property
    def process(self) -> Literal["web", "observer"]:
        return "web" if self.scene == "connect" else "observer"


NEGOTIATION, CLIENT = "token_service.negotiation:Negotiation", "realtime.client:Client"
NODE, CALL, WRITER = "observer.node:Node", "observer.observed_call:ObservedCall", "observer.writer:Writer"
JOURNAL, SUCCESSION = "call_log.journal:Journal", "observer.succession"

POINTS: dict[str, Point] = {
    "nothing is written yet": Point("connect", "before", f"{NEGOTIATION}._dial"),
    "the intent is written": Point("connect", "after", f"{NEGOTIATION}._dial"),
    "the secret is minted": Point("connect", "after", f"{CLIENT}.mint"),
    "the upstream took the call": Point("connect", "after", f"{CLIENT}._call"),
    "the outcome is not committed": Point("connect", "after", "call_log.calls:answer"),
    "the outcome is written": Point("connect", "after", f"{NEGOTIATION}._write_outcome"),
    "the answer is about to go out": Point("connect", "after", f"{NEGOTIATION}.open"),
    "about to claim": Point("claim", "before", f"{NODE}._claim"),
    "the claim is not committed": Point("claim", "after", f"{NODE}._claim"),
    "claimed": Point("claim", "before", f"{NODE}._follow"),
    "about to attach": Point("claim", "before", "observer.sideband:dial"),
    "attached": Point("claim", "after", "observer.sideband:dial"),
    "the attachment is noted": Point("claim", "after", "observer.presence:Presence.attached"),
    "about to commit": Point("commit", "before", f"{WRITER}._commit", hit=9),
    "rows are not committed": Point("commit", "after", "observer.writer:record_rows", hit=9),
    "committed, and nobody told": Point("commit", "after", f"{WRITER}._commit", hit=9),
    "about to spill": Point("outage", "before", f"{JOURNAL}.append", hit=3),
    "spilled, not flushed": Point("outage", "before", "os:fdatasync", hit=3),
    "spilled": Point("outage", "after", f"{JOURNAL}.append", hit=3),
    "drained, the journal is not cleared": Point("return", "before", f"{JOURNAL}.clear"),
    "drained, the journal is cleared": Point("return", "after", f"{JOURNAL}.clear"),
    "the dead's journal is not committed": Point("burial", "after", "call_log.recording:bury"),
    "the dead's journal is written": Point("burial", "before", f"{SUCCESSION}:_forget"),
    "told to stop, and said so": Point("hand_over", "before", f"{SUCCESSION}:_let_go_of_adopted"),
    "an heir, not attached": Point("heir", "before", f"{SUCCESSION}:_attach"),
    "an heir, attached": Point("heir", "after", f"{SUCCESSION}:_attach"),
    "the adoption is not committed": Point("heir", "after", "call_log.calls:adopt"),
    "adopted": Point("heir", "after", f"{SUCCESSION}:adopt"),
    "about to hang up": Point("end", "before", "observer.observed_call:hang_up"),
    "hung up, and not written": Point("end", "after", "observer.observed_call:hang_up"),
    "the end is noted": Point("end", "before", f"{CALL}._flush"),
    "the end is written": Point("end", "after", f"{CALL}._write_end"),
}

OBSERVER = "from tests.crash_points import arm; arm({name!r}); from observer.__main__ import main; main()"
WEB = "from tests.crash_points import arm; arm({name!r}); from gunicorn.app.wsgiapp import run; run()"


def arm(name: str) -> None:
    """Let this process die at the point of this name."""
    point = POINTS[name]
    module, _, path = point.place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, attribute = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, attribute, _deadly(getattr(owner, attribute), point))


def _deadly(function: Callable[..., Any], point: Point) -> Callable[..., Any]:
    left = iter(range(point.hit - 1, -1, -1))

    def die() -> None:
        if next(left, 0) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def kills(*args: Any, **more: Any) -> Any:
        if point.when == "before":
            die()
        result = function(*args, **more)
        if point.when == "after":
            die()
        return result

    async def kills_async(*args: Any, **more: Any) -> Any:
        if point.when == "before":
            die()
        result = await function(*args, **more)
        if point.when == "after":
            die()
        return result

    return kills_async if inspect.iscoroutinefunction(function) else kills
