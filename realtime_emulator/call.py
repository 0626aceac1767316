"""One call: what clients say on it, what runs on it, and its end. Knows neither HTTP, nor ICE, nor sound."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

from realtime_emulator.client_events import ClientEvents, TurnTaking, event_id_of
from realtime_emulator.json_reading import read_object
from realtime_emulator.line import Line, Outlet
from realtime_emulator.refusals import Mistake
from realtime_emulator.responses import Responses
from realtime_emulator.tasks import Tasks

UNREADABLE = "unreadable"
"""The type under which the ledger notes a client event that is no JSON object."""
NO_PACE = Mistake(
    "invalid_value",
    "Calls with media say nothing by themselves. Start the emulator with --events-only.",
    "events_per_second",
)


class Peer(Protocol):
    """The other end of a call's media."""

    async def answer(self, offer: str) -> str:
        """The SDP answer. Raises `OfferRefused`; then the peer must be closed."""

    def cut(self) -> None: ...

    async def close(self) -> None: ...


class Listener(Protocol):
    """Who is told what happens at the peer."""

    def peer_connected(self) -> None: ...

    def peer_left(self) -> None: ...

    def channel_opened(self, channel: Outlet) -> None: ...

    def channel_spoke(self, channel: Outlet, raw: str | bytes) -> None: ...


class Call(ABC):
    def __init__(self, line: Line, responses: Responses, turns: TurnTaking, tasks: Tasks) -> None:
        self.line = line
        self._tasks = tasks
        self._reader = ClientEvents(line, turns, responses, tasks.run)

    @property
    def id(self) -> str:
        return self.line.call_id

    def hear(self, raw: str | bytes, via: str, sender: Outlet) -> None:
        """A client event has come; `via` is "data_channel" or "sideband"."""
        event: dict[str, Any] = {}
        try:
            event = self._read(raw, via)
            self._reader.obey(event, sender)
        except Mistake as mistake:
            self.line.complain(mistake, event_id_of(event), sender)

    @abstractmethod
    def connect(self, listener: Listener) -> Peer:
        """The other end of its media; `listener` is told what happens there."""

    @property
    def rate(self) -> float:
        """Events per second that it says by itself."""
        return 0.0

    def pace(self, rate: float) -> None:
        """Say so many events per second by itself. Raises `Mistake` where that cannot be."""
        raise NO_PACE

    def fall_silent(self) -> None:  # noqa: B027 — most calls only answer
        """Say nothing more of one's own accord."""

    async def close(self) -> None:
        """End what runs on the call."""
        await self._tasks.end()

    def settle_record(self) -> None:  # noqa: B027 — most calls know everything at once
        """Write down what is only known by asking."""

    def _read(self, raw: str | bytes, via: str) -> dict[str, Any]:
        ledger, record = self.line.ledger, self.line.record
        try:
            event = read_object(raw)
        except Mistake:
            ledger.note_client_event(record, via, UNREADABLE, None)
            raise
        ledger.note_client_event(record, via, str(event.get("type"))[:128], event_id_of(event))
        return event
