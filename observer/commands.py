"""The commands of one call: taken from the inbox, or asked for by ourselves; sent once; settled by what the upstream
says, or honestly not.

Knows the order of these: `sent` is on disk before a byte leaves, and nothing is acted on before it is on disk. Which
events an act is made of, what answers which, and whose turn it is are realtime's to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from call_log import commands
from call_log import events as log_events
from call_log.call import Call
from call_log.commands import WAITING_MS, Command, Settled
from call_log.events import EventRow
from call_log.inbox import Message
from call_log.store import StoreUnavailable
from observer.flag import Flag
from observer.line import Line
from observer.record import Record
from observer.sideband import Sideband, Unreachable
from realtime import acts, client_events, events, tool_calls
from realtime.client_events import ACTIVE_ALREADY, NOTHING_TO_CANCEL, RESPONSE_CREATE
from realtime.content import LineSource
from realtime.fields import Event, object_of, text_of
from realtime.floor import Floor

OPERATOR: Final = "operator"
OBSERVER: Final = "observer"
TOOL: Final = "tool"
STORE_RETRY_SECONDS = 0.2
LOOK_SECONDS = 0.5
NOTED = "observer.command"
MUTING = frozenset({"mute", "unmute"})
INHERITED_SECONDS = 2.0
"""An answer to what an earlier holder sent long ago is waited for so long all the same: the upstream is asked first."""


@dataclass(eq=False)
class Pending:
    """A command between its arrival and its settlement. `steps`: the client events that it became, by their ids;
    `open`: those that nothing has answered yet. `source`: whose line in the log they are."""

    command: Command
    asked: Event
    source: LineSource
    message_id: int | None = None
    steps: dict[str, Event] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    until: float = 0.0
    was_sent: bool = False
    is_repeated: bool = False
    """It went out before, and the upstream did not know of it then; what was still on its way may have come since."""
    is_doubtful: bool = False
    """It was sent on a sideband that is gone, or by an earlier holder: perhaps not a byte has come."""
    is_whole: bool = True
    """Its steps are as they were sent, with every word: they may go out again."""

    @property
    def speaks(self) -> bool:
        """Whether it asks for a response that belongs to the conversation."""
        if self.asked["type"] == "say":
            return True
        response = object_of(self.asked, "response")
        return self.asked["type"] == RESPONSE_CREATE and not client_events.is_beside(response)


class Commands:
    """Of one held call. Everything happens in the event loop; `serve` runs as long as the call is followed."""

    def __init__(self, call: Call, line: Line, record: Record, *, inherits: bool) -> None:
        """`inherits`: earlier holders may have sent something that is not settled."""
        self._call, self._line, self._record = call, line, record
        self._keeps_words = line.profiles.keep_words(call.profile, call.recording)
        self.floor = Floor()
        self.is_muted = False
        self._sideband: Sideband | None = None
        self._queue: list[Pending] = []
        self._sent: dict[str, Pending] = {}
        self._settled: list[Settled] = []
        self._woken = Flag()
        self._questions: dict[str, Pending] = {}
        self._has_to_ask = False
        self._inherited = not inherits
        self.decide: Callable[[Event, str], str | None] = lambda asked, by: "not_waiting"
        """Takes an operator's decision on a tool, `(asked, by)`; says why it has no effect, where it has none."""

        self.about_to_send: Callable[[Event], None] = lambda event: None
        """Is told each client event before it leaves."""

    # -- what comes ------------------------------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """One that somebody left in the inbox: `{"command_id", "asked", "source"}`."""
        said = json.loads(message.body or "{}")
        command = _ours(self._call.number, said["command_id"], said["asked"], message.by, message.at)
        self._put(Pending(command, said["asked"], said["source"], message.id))

    def ask(
        self, asked: Event, *, by: str, source: LineSource = OBSERVER, command_id: str | None = None
    ) -> str:
        """One of our own: a policy's, a tool's. Returns its id. The same id is sent once, whoever asks again."""
        command_id = command_id or f"cmd_{secrets.token_hex(16)}"
        command = _ours(self._call.number, command_id, asked, by, self._record.clock())
        self._put(Pending(command, asked, source))
        return command_id

    def attached(self, sideband: Sideband) -> None:
        """From here on commands can be sent."""
        self._sideband, self._has_to_ask = sideband, True
        self._woken.set()

    def detached(self) -> None:
        """Nothing is heard or can be sent; what was sent may have been answered meanwhile."""
        self._sideband = None
        self.floor.lost()

    def hear(self, event: Event) -> None:
        """One event of the upstream that is on disk."""
        self.floor.hear(event)
        if event.get("type") == events.ERROR:
            self._answered_no(str(object_of(event, "error").get("event_id")))
        for pending in list(self._sent.values()):
            self._judge(pending, event)
        if self.is_muted and event.get("type") == events.RESPONSE_CREATED and self.floor.active:
            self.ask({"type": "interrupt"}, by="mute")
        self._woken.set()

    # -- sending ---------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Send what waits, settle what is answered, until cancelled."""
        while True:
            await self._wait()
            if self._sideband is not None and self._has_to_ask:
                await self._ask_what_was_missed(self._sideband)
            self._give_up_on_the_unanswered()
            await self.write_settled()
            while self._sideband is not None and (pending := self._next()) is not None:
                await self._send(pending, self._sideband)

    async def _wait(self) -> None:
        """Until something happens, or until something may be too late."""
        try:
            async with asyncio.timeout(LOOK_SECONDS if self._queue or self._sent or self._settled else None):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def _put(self, pending: Pending) -> None:
        self._queue.append(pending)
        self._woken.set()

    def _next(self) -> Pending | None:
        """The oldest one that may go out now. Who wants to speak waits for the floor, and until it is known whether an
        item that the model is to speak of must go out once more; nobody else waits for him."""
        for pending in self._queue:
            if not pending.speaks or (self.floor.is_free and not self.is_muted and not self._is_asking):
                self._queue.remove(pending)
                return pending
            if pending.command.expires_at <= self._record.clock():
                self._queue.remove(pending)
                return pending
        return None

    async def _send(self, pending: Pending, sideband: Sideband) -> None:
        if not pending.steps:
            session = self._line.session_of(self._call.profile)
            steps = acts.as_events(pending.asked, self.floor, session)
            pending.steps = _prepared(steps, pending.command.command_id)
            for event_id, step in pending.steps.items():
                self._record.say(pending.source, step, event_id)
            await self._record.settled()  # whoever holds the call next finds in its log what was sent
        if pending.was_sent and pending.command.expires_at <= self._record.clock():
            self._settle(Settled(pending.command.command_id, "expired"))
            return
        began = asyncio.get_running_loop().time()
        try:
            state = await self._commit_to(pending)
        except StoreUnavailable:
            self._queue.insert(0, pending)
            await asyncio.sleep(STORE_RETRY_SECONDS)
            return
        if state == "expired":
            self._note(Settled(pending.command.command_id, "expired"))
        elif state == "sent":
            pending.was_sent = True
            if self._sideband is not sideband:
                self._queue.insert(0, pending)  # no byte has left
                return
            # Whoever was stopped here for long may have lost the call by now: another holder acts on it.
            if asyncio.get_running_loop().time() - began > self._line.limits.fresh:
                self._settle(Settled(pending.command.command_id, "unknown", "stopped_meanwhile"))
            else:
                await self._transmit(pending, sideband)

    async def _commit_to(self, pending: Pending) -> commands.State | None:
        send = partial(
            commands.send,
            node_id=self._line.node_id,
            epoch=self._call.epoch,
            command=pending.command,
            message_id=pending.message_id,
            again=pending.was_sent,
            at=self._record.clock(),
        )
        return await self._line.writer.run(send)

    async def _transmit(self, pending: Pending, sideband: Sideband) -> None:
        """The bytes leave. From here on the command may have had its effect, whatever we hear of it."""
        command_id = pending.command.command_id
        if pending.command.type in MUTING:
            self.is_muted = pending.command.type == "mute"
        if pending.command.type in acts.DECISIONS:
            refused = self.decide(pending.asked, pending.command.by)
            self._settle(Settled(command_id, "refused" if refused else "confirmed", refused))
            return
        if not pending.steps:
            self._settle(Settled(command_id, "confirmed", "nothing_to_do"))
            return
        self._await_answers(pending, self._line.limits.answered)
        for step in pending.steps.values():
            self.about_to_send(step)
        if pending.speaks:
            self.floor.ask(next(iter(pending.steps)))
        try:
            for step in pending.steps.values():
                await sideband.send(json.dumps(step, ensure_ascii=True))
        except Unreachable:
            self._forget(pending)
            self._settle(Settled(command_id, "unknown", "not_taken"))

    def _await_answers(self, pending: Pending, seconds: float) -> None:
        pending.open = set(pending.steps)
        pending.until = asyncio.get_running_loop().time() + seconds
        self._sent[pending.command.command_id] = pending

    # -- what may have been answered while nobody listened ----------------------------------------------------------

    async def _ask_what_was_missed(self, sideband: Sideband) -> None:
        """Of what was sent before this sideband was attached, by us or by an earlier holder, the upstream can be asked
        some; the rest may still be answered, or is never known."""
        try:
            await self._inherit()
        except StoreUnavailable:
            return
        self._has_to_ask = False
        for pending in list(self._sent.values()):
            pending.is_doubtful = True
            for question in _questions(pending):
                if question["type"] == client_events.ITEM_RETRIEVE:
                    self._questions[question["event_id"]] = pending
                with contextlib.suppress(Unreachable):
                    await sideband.send(json.dumps(question, ensure_ascii=True))

    async def _inherit(self) -> None:
        """Once: what an earlier holder sent and did not settle."""
        if self._inherited:
            return
        left = await asyncio.to_thread(self._left_behind)
        self._inherited = True
        for left_behind in left:
            if isinstance(left_behind, Settled):
                self._settle(left_behind)
            else:
                self._await_answers(left_behind, self._still(left_behind.command))

    def _still(self, command: Command) -> float:
        """For so long, in seconds, an inherited command may still be answered. It does not wait anew with each heir."""
        waits = self._line.limits.answered
        waited = (self._record.clock() - (command.sent_at or 0)) / 1000
        return min(waits, max(waits - waited, INHERITED_SECONDS))

    def _left_behind(self) -> list[Pending | Settled]:
        with self._line.store.reading() as db:
            muting = commands.latest(db, self._call.number, MUTING)
            self.is_muted = muting is not None and muting.type == "mute"
            unsettled = [
                one for one in commands.unsettled(db, self._call.number) if one.epoch != self._call.epoch
            ]
            said = log_events.sent(db, self._call.number) if unsettled else []
        return [_recalled(command, said, self._keeps_words) for command in unsettled]

    # -- settling --------------------------------------------------------------------------------------------------

    def _judge(self, pending: Pending, event: Event) -> None:
        for event_id in list(pending.open):
            step = pending.steps[event_id]
            verdict = client_events.verdict(step, event)
            if verdict == "refused":
                self._refused(pending, event_id, object_of(event, "error"))
            elif verdict == "confirmed" and not (
                pending.is_doubtful and client_events.is_answered_alike(step)
            ):
                pending.open.discard(event_id)
        is_silent = not (self.floor.active or self.floor.audible)
        if pending.asked["type"] in ("interrupt", "mute") and is_silent and not pending.is_doubtful:
            pending.open -= {key for key, step in pending.steps.items() if step["type"] != "session.update"}
        if not pending.open and pending.command.command_id in self._sent:
            del self._sent[pending.command.command_id]
            self._settle(Settled(pending.command.command_id, "confirmed"))

    def _refused(self, pending: Pending, event_id: str, error: Event) -> None:
        code = text_of(error, "code") or text_of(error, "type") or "refused"
        if code == NOTHING_TO_CANCEL and pending.asked["type"] != "response.cancel":
            pending.open.discard(event_id)  # it was over by itself: that is what was wanted
            return
        self._forget(pending)
        if code == ACTIVE_ALREADY and pending.speaks:
            self.floor.is_taken()
            # Voice detection was faster. Ours had no effect, so it may go out again.
            self._queue.insert(0, pending)
            return
        # The first one may have come after all, and the second be refused for that.
        state: commands.State = "unknown" if pending.is_repeated else "refused"
        self._settle(Settled(pending.command.command_id, state, code[:64]))

    @property
    def _is_asking(self) -> bool:
        return any(self._sent.get(one.command.command_id) is one for one in self._questions.values())

    def _answered_no(self, question_id: str) -> None:
        """We asked for an item that may have been created; it is not there. It may go out again where the log kept its
        words: the upstream admits one item of an id."""
        pending = self._questions.pop(question_id, None)
        if pending is None or self._sent.get(pending.command.command_id) is not pending:
            return
        self._forget(pending)
        if pending.is_whole:
            pending.was_sent = pending.is_repeated = True
            self._queue.insert(0, pending)
        else:
            self._settle(Settled(pending.command.command_id, "refused", "not_delivered"))

    def _forget(self, pending: Pending) -> None:
        self._sent.pop(pending.command.command_id, None)
        pending.open.clear()
        for event_id in pending.steps:
            self.floor.forget(event_id)

    def _give_up_on_the_unanswered(self) -> None:
        now = asyncio.get_running_loop().time()
        for pending in [one for one in self._sent.values() if one.until <= now]:
            self._forget(pending)
            inherited = pending.command.epoch not in (None, self._call.epoch)
            code = "holder_changed" if inherited else "unanswered"
            self._settle(Settled(pending.command.command_id, "unknown", code))

    def _settle(self, settled: Settled) -> None:
        self._settled.append(settled)
        self._note(settled)
        self._woken.set()

    def _note(self, settled: Settled) -> None:
        self._record.note(NOTED, command_id=settled.command_id, state=settled.state, code=settled.code)

    async def write_settled(self) -> None:
        settled, self._settled = self._settled, []
        if not settled:
            return
        write = partial(
            commands.settle,
            node_id=self._line.node_id,
            epoch=self._call.epoch,
            number=self._call.number,
            settled=settled,
            at=self._record.clock(),
        )
        try:
            await self._line.writer.run(write)
        except StoreUnavailable:
            self._settled = settled + self._settled


def _ours(number: int, command_id: str, asked: Event, by: str, at: int) -> Command:
    return Command(
        number=number,
        command_id=command_id,
        type=str(asked["type"]),
        by=by,
        peer=None,
        at=at,
        expires_at=at + WAITING_MS,
        state="queued",
        code=None,
        sent_at=None,
        settled_at=None,
        epoch=None,
        digest=None,
    )


def _prepared(steps: list[Event], command_id: str) -> dict[str, Event]:
    """The events by their ids: the first has the command's, so that an error names the command."""
    ids = [command_id, *(f"{command_id}.{place}" for place in range(2, len(steps) + 1))]
    return {
        event_id: client_events.prepared(step, event_id) for event_id, step in zip(ids, steps, strict=False)
    }


def _recalled(command: Command, said: list[EventRow], is_whole: bool) -> Pending | Settled:
    """A command that an earlier holder sent, by its events in the log; or what is to be said of it, where one of them
    could not be known by its answer. What the log keeps of an event may lack the id that it has for its row."""
    steps = {
        row.event_id: (events.read(row.body) or {}) | {"event_id": row.event_id}
        for row in said
        if row.event_id is not None and command.command_id in (row.event_id, row.event_id.rpartition(".")[0])
    }
    if not steps and command.type in acts.MAYBE_NOTHING:
        return Settled(command.command_id, "confirmed", "nothing_to_do")
    # Of a decision no event tells; the tool's own state does. And a log without words has no session's update whole.
    if not steps or not all(map(client_events.is_answerable, steps.values())):
        return Settled(command.command_id, "unknown", "holder_changed")
    if not is_whole:
        told = {event_id: tool_calls.told_without_words(step) for event_id, step in steps.items()}
        is_whole = all(told.values())
        steps |= {event_id: step for event_id, step in told.items() if step is not None}
    return Pending(command, {"type": command.type}, OPERATOR, steps=steps, is_whole=is_whole)


def _questions(pending: Pending) -> list[Event]:
    """What the upstream can be asked to learn whether an event reached it."""
    asked = []
    for event_id, step in pending.steps.items():
        question_id = f"ask_{event_id}"
        if step["type"] == client_events.ITEM_CREATE:
            item_id = step["item"]["id"]
            asked.append({"type": client_events.ITEM_RETRIEVE, "event_id": question_id, "item_id": item_id})
        elif step["type"] == client_events.SESSION_UPDATE:
            session = {"type": "realtime"}
            asked.append({"type": client_events.SESSION_UPDATE, "event_id": question_id, "session": session})
    return asked
