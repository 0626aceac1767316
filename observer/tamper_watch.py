"""The watch on one call's session, items and responses: what the page slips in is noted, put right, or ends the call.

Knows when to ask, what to do and how often. What is a trespass is session_account.py's and turn_account.py's to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from call_log.call import Call
from observer.commands import Commands
from observer.ending import Wish
from observer.flag import Flag
from observer.history import TAMPERED, History, Said, digest_of, history
from observer.line import Line
from observer.record import Record
from observer.sideband import Sideband, Unreachable
from realtime import events
from realtime.client_events import RESPONSE_CANCEL, SESSION_UPDATE
from realtime.fields import Event, object_of, text_of
from realtime.session_account import Leaves, SessionAccount
from realtime.tamper_rules import PUSH_TO_TALK, TamperRules
from realtime.turn_account import GRACE_SECONDS, ITEM_DELETE, ItemAccount, ResponseAccount, Trespass

WATCH: Final = "watch"
OBSERVER: Final = "observer"
RESTORES_MOST: Final = 3
"""Whoever has to be put right once more goes on for ever: then the call ends."""

Done = Literal["noted", "restored", "deleted", "interrupted", "hung_up"]
_DONE: Final[dict[str, Done]] = {"session": "restored", "item": "deleted", "response": "interrupted"}
_REACHED: Final = ("sent", "unknown")


class TamperWatch:
    """Of one held call. Everything happens in the event loop; `serve` runs as long as the call is followed."""

    def __init__(
        self, call: Call, line: Line, record: Record, commands: Commands, wish: Callable[[Wish], None]
    ) -> None:
        self._call, self._line, self._record, self._commands = call, line, record, commands
        self._wish_for = wish
        profile = line.profiles.get(call.profile)
        self._is_on = profile is not None and profile.watch is not None
        self._rules = (profile.watch if profile else None) or TamperRules()
        self._keeps_words = line.profiles.keep_words(call.profile, call.recording)
        self._asks, self._restores = 0, 0
        self._sideband: Sideband | None = None
        self._woken = Flag()
        self._timer: asyncio.TimerHandle | None = None
        self._is_ending = False
        self._begin(line.session_of(call.profile))

    def _begin(self, session: Event) -> None:
        page_may = self._rules.page_may
        self._session = SessionAccount(session, may_push=PUSH_TO_TALK in page_may)
        self._responses = ResponseAccount(page_may)
        self._items = ItemAccount(page_may, self._responses.turn)
        self._told: Leaves = {}
        self._restoring: tuple[str, float] | None = None

    def is_ours(self, item_id: str | None) -> bool:
        """Whether this house created the item."""
        return item_id in self._items.ours

    # -- what comes and goes -------------------------------------------------------------------------------------------

    async def recall(self) -> None:
        """Account for what earlier holders sent, before anything is heard."""
        if not self._is_on:
            return
        past = await asyncio.to_thread(self._past)
        self._restores = past.restores
        session = self._line.session_of(self._call.profile)
        is_known = past.profile_digest in (None, digest_of(session)) and (
            self._keeps_words or not any(map(_changed_words, past.said))
        )
        self._begin(session if is_known else {})
        for said in past.said:
            self._said_before(said, is_known)
        if past.is_condemned:
            self._hang_up()

    def _past(self) -> History:
        with self._line.store.reading() as db:
            return history(db, self._call.number)

    def _said_before(self, said: Said, is_known: bool) -> None:
        self._items.sent(said.event)
        if said.event["type"] == SESSION_UPDATE and is_known:
            if said.state == "confirmed":
                self._session.taken(said.event["session"])
            else:
                self._session.sent(said.event["event_id"], said.event["session"], self._patience())
        elif said.state in _REACHED:
            self._responses.sent(said.event)

    def sent(self, event: Event) -> None:
        """A client event of ours goes out."""
        self._items.sent(event)
        self._responses.sent(event)
        if event["type"] == SESSION_UPDATE:
            self._session.sent(event["event_id"], event["session"], self._patience())

    def attached(self, sideband: Sideband) -> None:
        """From here on everything is heard, and the session can be asked for."""
        self._sideband = sideband
        self._responses.gap()
        self._woken.set()

    def detached(self) -> None:
        """Nothing is heard."""
        self._sideband = None

    def _patience(self) -> float:
        return asyncio.get_running_loop().time() + self._line.limits.answered

    # -- asking --------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Ask what the session is, at each attach and every so often, until cancelled. An upstream may not tell a
        sideband what a page has changed."""
        while self._is_on:
            self._woken.clear()
            if self._sideband is not None:
                await self._ask(self._sideband)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._line.limits.session_asked if self._sideband else None):
                    await self._woken.wait()

    async def _ask(self, sideband: Sideband) -> None:
        self._asks += 1
        event_id = f"{WATCH}_{self._call.epoch}_{self._asks}"
        question = {"type": SESSION_UPDATE, "event_id": event_id, "session": {"type": "realtime"}}
        with contextlib.suppress(Unreachable):
            await sideband.send(json.dumps(question))

    # -- judging -------------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """One event of the upstream that is on disk."""
        if not self._is_on:
            return
        kind, now = event.get("type"), asyncio.get_running_loop().time()
        if kind in (events.SESSION_CREATED, events.SESSION_UPDATED):
            self._look(object_of(event, "session"), now)
        elif kind == events.ERROR:
            self._refused(text_of(object_of(event, "error"), "event_id"))
        self._items.made(object_of(event, "response"))
        session = self._session.seen
        self._judge(self._items.hear(event, session, now))
        self._judge(self._responses.hear(event, session))
        self._look_again_later()

    def _refused(self, event_id: str | None) -> None:
        self._session.refused(str(event_id))
        if self._restoring and self._restoring[0] == event_id:
            self._restoring = None

    def _look(self, session: Event, now: float) -> None:
        """Each deviation is told once; it is put right again and again, but not while that is under way."""
        strays, told = self._session.hear(session, now), self._told
        self._told = strays
        is_under_way = self._restoring is not None and self._restoring[1] > now
        if not strays:
            self._restoring = None
        elif self._rules.policy == "note" or is_under_way:
            strays = {path: value for path, value in strays.items() if told.get(path, _NOTHING) != value}
        self._judge([Trespass("session", path) for path in strays], self._session.remedy(strays))

    def _look_again_later(self) -> None:
        if self._timer is None and self._items.is_doubtful:
            self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        if self._sideband is not None:
            self._judge(self._items.due(asyncio.get_running_loop().time()))
            self._look_again_later()

    def _judge(self, found: Sequence[Trespass], session: Event | None = None) -> None:
        """What was found in one event is put right at once, and noted member by member."""
        if not found:
            return
        done, command_id = self._act(found[0], session)
        for one in found:
            self._record.note(
                TAMPERED,
                kind=one.kind,
                member=one.member,
                id=one.id,
                policy=self._rules.policy,
                done=done,
                command_id=command_id,
            )

    def _act(self, found: Trespass, session: Event | None) -> tuple[Done, str | None]:
        if not self._rules.enforces or self._is_ending:
            return "noted", None
        if self._rules.policy == "hang_up" or self._restores >= RESTORES_MOST:
            self._hang_up()
            return "hung_up", None
        remedy = _remedy(found, session)
        if remedy is None:
            return "noted", None
        self._restores += 1
        command_id = self._commands.ask(remedy, by=WATCH)
        if remedy["type"] == SESSION_UPDATE:
            self._restoring = command_id, self._patience()
        return _DONE[found.kind], command_id

    def _hang_up(self) -> None:
        self._is_ending = True
        self._wish_for(Wish("policy_tamper", OBSERVER))


_NOTHING: Final[Any] = object()


def _remedy(found: Trespass, session: Event | None) -> Event | None:
    """The command that undoes it, as far as it can be undone."""
    if found.kind == "session":
        return {"type": SESSION_UPDATE, "session": session} if session else None
    if found.kind == "item":
        return {"type": ITEM_DELETE, "item_id": found.id}
    if found.kind == "response":
        return (
            {"type": RESPONSE_CANCEL, "response_id": found.id} if found.is_beside else {"type": "interrupt"}
        )
    return None


def _changed_words(said: Said) -> bool:
    """Whether it set members of the session that a log without words can't tell."""
    return said.event["type"] == SESSION_UPDATE and said.by != WATCH
