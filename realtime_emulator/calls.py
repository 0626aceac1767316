"""The calls that are open: opens them, finds them by id, ends each exactly once."""

import asyncio
import random
import time
from typing import Any

import structlog

from realtime_emulator.call import Call
from realtime_emulator.conversation import Conversation
from realtime_emulator.dialects import Dialect
from realtime_emulator.identifiers import Identifiers
from realtime_emulator.ledger import Ledger
from realtime_emulator.line import Line
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.open_call import OpenCall, Studio
from realtime_emulator.refusals import Mistake, OfferRefused, Refusal
from realtime_emulator.script import Script
from realtime_emulator.session import SESSION_SECONDS, Session

RETRY_AFTER_SECONDS = 5
log = structlog.get_logger()


class Calls:
    def __init__(
        self,
        seed: int,
        ledger: Ledger,
        script: Script,
        mishaps: Mishaps,
        studio: Studio,
        session_seconds: int = SESSION_SECONDS,
        legacy_item_created: bool = False,
    ) -> None:
        self._seed, self._ledger, self._script, self._studio = seed, ledger, script, studio
        self._mishaps, self._session_seconds = mishaps, session_seconds
        self._legacy_item_created = legacy_item_created
        self._open: dict[str, OpenCall] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._opened = 0

    def find(self, call_id: str) -> OpenCall | None:
        return self._open.get(call_id)

    def read_offer(self, raw: bytes) -> str:
        """Raises `OfferRefused`."""
        return self._studio.read_offer(raw)

    def suffer(self) -> None:
        """Mishaps were armed: let them happen to the calls that are open, the newest first."""
        for opened in reversed(list(self._open.values())):
            opened.suffer()

    def pace(self, rate: float, call_id: str | None = None) -> None:
        """So many events per second come by themselves on this call, or on all of them and on those to come.

        Raises `Mistake` where calls have media.
        """
        if call_id is None:
            self._studio.pace(rate)
        for one in self._named(call_id):
            one.call.pace(rate)

    def end_as_told(self, call_id: str | None = None) -> None:
        """The service ends this call, or all of them. Raises `Mistake` for a call that is not open."""
        for one in self._named(call_id):
            self.end(one, "upstream")

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {"call_id": one.id, "sidebands": len(one.sidebands), "events_per_second": one.call.rate}
            for one in self._open.values()
        ]

    def settle_records(self) -> None:
        for one in self._open.values():
            one.call.settle_record()

    async def open(
        self, dialect: Dialect, offer: str, wanted: dict[str, object], session_id: str | None, filtered: bool
    ) -> tuple[str, str]:
        """Answer an offer. Returns the call's id and the SDP answer.

        Raises `Refusal`: 429 when all places are taken, 400 `invalid_offer` for an offer that is none.
        """
        if len(self._open) >= self._studio.most_calls:
            raise _too_many(self._studio.most_calls)
        opened = OpenCall(self._new_call(dialect, wanted, session_id, filtered), self.end, self._ledger.now)
        self._open[opened.id] = opened
        try:
            answer = await opened.peer.answer(offer)
        except OfferRefused as refused:
            await self._discard(opened)
            message = f"Failed to parse offer: {refused}"
            raise Refusal(400, Mistake("invalid_offer", message)) from refused
        opened.live(self._session_seconds)
        log.info("call_opened", call=opened.id, dialect=dialect.name, filtered=filtered)
        return opened.id, answer

    def end(self, opened: OpenCall, by: str) -> None:
        """Only the first ending counts. The call cannot be found any more when this returns."""
        if self._open.pop(opened.id, None) is None:
            return
        opened.call.fall_silent()  # before its end is noted: closing comes a moment later
        record = opened.call.line.record
        record.ended_at, record.ended_by = self._ledger.now(), by
        log.info("call_ended", call=opened.id, by=by)
        task = asyncio.create_task(self._close(opened, by))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def shut_down(self) -> None:
        for opened in list(self._open.values()):
            self.end(opened, "shutdown")
        await asyncio.gather(*self._endings)

    def _named(self, call_id: object) -> list[OpenCall]:
        if call_id is None:
            return list(self._open.values())
        opened = self._open.get(str(call_id))
        if opened is None:
            raise Mistake("call_id_not_found", "No call of this id is open.", "call_id")
        return [opened]

    def _new_call(
        self, dialect: Dialect, wanted: dict[str, object], session_id: str | None, filtered: bool
    ) -> Call:
        self._opened += 1
        chance = random.Random(f"{self._seed}/{self._opened}")
        ids = Identifiers(chance)
        call_id, new_session_id = dialect.name_call(ids)
        session = Session(session_id or new_session_id, wanted, int(time.time()) + self._session_seconds)
        record = self._ledger.open_call(call_id, dialect.name)
        conversation = Conversation(ids.new("conv"))
        line = Line(
            call_id,
            dialect,
            ids,
            chance,
            session,
            conversation,
            self._script,
            self._mishaps,
            record,
            self._ledger,
            filtered=filtered,
            legacy_item_created=self._legacy_item_created,
        )
        return self._studio.make(line)

    async def _discard(self, opened: OpenCall) -> None:
        """An offer that was refused never was a call."""
        self._open.pop(opened.id, None)
        self._ledger.forget_call(opened.id)
        await opened.close("refused")

    async def _close(self, opened: OpenCall, by: str) -> None:
        await opened.close(by)
        self._script.forget(opened.id)
        self._mishaps.forget(opened.id)


def _too_many(places: int) -> Refusal:
    message = f"All {places} places for calls are taken. Please retry after {RETRY_AFTER_SECONDS} seconds."
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Refusal(429, Mistake("rate_limit_exceeded", message), headers)
