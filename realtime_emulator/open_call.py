"""A call with its peer and its sidebands, and what befalls it: its session's end, and the mishaps it was promised."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from realtime_emulator.afflictions import befall
from realtime_emulator.call import Call
from realtime_emulator.line import Line, Outlet
from realtime_emulator.mishaps import CUT_NETWORK, HANG_UP, SESSION_LIMIT
from realtime_emulator.sideband import Sideband

SESSION_OVER = "Your session hit the maximum duration of 60 minutes."
"""Seen by many clients, as the error's message and as the reason of the close."""
CLOSINGS = {"shutdown": (1001, "shutdown"), "session_limit": (1001, SESSION_OVER)}
"""How sidebands are closed, by what ended the call; 1000 and its name when nothing is said here."""

log = structlog.get_logger()


class Studio(Protocol):
    """What calls are made of: with sound, or without."""

    @property
    def most_calls(self) -> int: ...

    def read_offer(self, raw: bytes) -> str:
        """The offer as a text that a peer can answer. Raises `OfferRefused`."""

    def make(self, line: Line) -> Call: ...

    def pace(self, rate: float) -> None:
        """New calls say so many events per second by themselves. Raises `Mistake` where that cannot be."""

    async def open(self) -> None:
        """Before the first call."""

    async def close(self) -> None:
        """After the last one."""


class OpenCall:
    """What happens at the peer is told here."""

    def __init__(self, call: Call, end: Callable[["OpenCall", str], None], now: Callable[[], int]) -> None:
        self.call = call
        self.peer = call.connect(self)
        self.sidebands: dict[Sideband, dict[str, Any]] = {}
        self._end, self._now = end, now
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def id(self) -> str:
        return self.call.id

    @property
    def age_ms(self) -> int:
        """Since the answer went out."""
        return self._now() - (self.call.line.record.answered_at or self._now())

    def live(self, seconds: float) -> None:
        """The answer is made: the session has begun, and lasts so long."""
        self.call.line.record.answered_at = self._now()
        self._later(seconds, self._expire)
        self._befall_call()

    def suffer(self) -> None:
        """Mishaps were armed: what is due to an open call happens now."""
        self._befall_call()
        if self.call.line.record.peer_connected_at is not None:
            self._befall_peer()
        for sideband in list(self.sidebands):
            self._befall_sideband(sideband)

    def peer_connected(self) -> None:
        self.call.line.record.peer_connected_at = self._now()
        log.info("peer_connected", call=self.id)
        self._befall_peer()

    def peer_left(self) -> None:
        self._end(self, "peer")

    def channel_opened(self, channel: Outlet) -> None:
        self.call.line.channel = channel
        self.call.line.greet(channel)

    def channel_spoke(self, channel: Outlet, raw: str | bytes) -> None:
        self.call.hear(raw, "data_channel", channel)

    def attach(self, sideband: Sideband) -> None:
        record = self.call.line.record
        self.sidebands[sideband] = self.call.line.ledger.note_attached(record)
        self.call.line.sidebands.append(sideband)
        record.sidebands = len(self.sidebands)
        log.info("sideband_attached", call=self.id)
        if record.ended_at is not None:  # it ended while the sideband shook hands
            sideband.finish(*_closing(str(record.ended_by)))
            return
        self._befall_sideband(sideband)

    def detach(self, sideband: Sideband) -> None:
        attachment = self.sidebands.pop(sideband, None)
        if attachment is None:
            return
        self.call.line.ledger.note_detached(attachment, sideband.by, sideband.code)
        self.call.line.sidebands.remove(sideband)
        self.call.line.record.sidebands = len(self.sidebands)

    async def close(self, by: str) -> None:
        """Close everything, the sidebands after all that was sent to them before."""
        for timer in self._timers:
            timer.cancel()
        for sideband in list(self.sidebands):
            sideband.drop_dead() if sideband.dead else sideband.finish(*_closing(by))
        await self.call.close()
        await self.peer.close()

    def _expire(self) -> None:
        self.call.line.trouble({"code": "session_expired", "message": SESSION_OVER})
        self._end(self, "session_limit")

    def _befall_call(self) -> None:
        if fault := self.call.line.mishaps.take(HANG_UP, self.id):
            self._later(fault["ms"] / 1000, lambda: self._end(self, "upstream"))
        if fault := self.call.line.mishaps.take(SESSION_LIMIT, self.id):
            self._later(fault["ms"] / 1000, self._expire)

    def _befall_peer(self) -> None:
        if fault := self.call.line.mishaps.take(CUT_NETWORK, self.id):
            self._later(fault["ms"] / 1000, self.peer.cut)

    def _befall_sideband(self, sideband: Sideband) -> None:
        befall(sideband, self.call.line, self._later)

    def _later(self, seconds: float, deed: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, deed))


def _closing(by: str) -> tuple[int, str]:
    return CLOSINGS.get(by, (1000, by))
