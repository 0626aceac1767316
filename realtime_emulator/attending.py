"""The sideband's way in: everything that is refused is refused over plain HTTP, before the upgrade."""

import asyncio
from typing import Literal, get_args

from aiohttp import web

from realtime_emulator.calls import Calls
from realtime_emulator.credentials import read_credential
from realtime_emulator.dialects import Dialect
from realtime_emulator.guard import Guard
from realtime_emulator.mishaps import (
    ATTACH_404,
    ATTACH_BEFORE_PEER,
    REFUSE_ATTACH,
    SLOW_HANDSHAKE,
    WRONG_KEY,
    Mishaps,
)
from realtime_emulator.open_call import OpenCall
from realtime_emulator.refusals import Mistake, Refusal, call_not_found, unsupported_value
from realtime_emulator.sideband import Sideband

LONGEST_MESSAGE_BYTES = 16 * 1024 * 1024
CLOSE_SECONDS = 1.0
"""How long a closing sideband waits for the other side's answer."""

SecondSideband = Literal["allow", "refuse", "replace"]
REPLACED = (1000, "replaced by another sideband")


class Manners:
    """What the emulator does where the services' own habit is not known."""

    def __init__(self, second_sideband: SecondSideband = "allow", *, greets: bool = False) -> None:
        """`greets`: send `session.created` to a sideband that attaches. Recordings of WebRTC calls show none."""
        self.second_sideband, self.greets = second_sideband, greets

    def read_second_sideband(self, wanted: object) -> None:
        """Raises `Mistake`."""
        for one in get_args(SecondSideband):
            if one == wanted:
                self.second_sideband = one
                return
        raise unsupported_value("second_sideband", wanted, get_args(SecondSideband))


class Attending:
    def __init__(
        self, dialect: Dialect, calls: Calls, mishaps: Mishaps, guard: Guard, manners: Manners
    ) -> None:
        self._dialect, self._calls, self._mishaps = dialect, calls, mishaps
        self._guard, self._manners = guard, manners

    def routes(self) -> list[web.RouteDef]:
        return [web.get(self._dialect.prefix, self.attend)]

    async def attend(self, request: web.Request) -> web.StreamResponse:
        """A sideband, from its handshake to its end."""
        self._guard.require_any(read_credential(request.headers))
        opened = self._find(request)
        if slow := self._mishaps.take(SLOW_HANDSHAKE, opened.id):
            await asyncio.sleep(slow["ms"] / 1000)
        if self._mishaps.take(WRONG_KEY, opened.id):
            return _wrong_answer()
        self._make_room(opened)
        socket = web.WebSocketResponse(
            compress=False, timeout=CLOSE_SECONDS, max_msg_size=LONGEST_MESSAGE_BYTES
        )
        await socket.prepare(request)
        sideband = Sideband(socket, request.transport)
        opened.attach(sideband)
        if self._manners.greets:
            opened.call.line.greet(sideband)
        try:
            async for message in socket:
                opened.call.hear(message.data, "sideband", sideband)
        finally:
            await sideband.closed()
            opened.detach(sideband)
        return socket

    def _find(self, request: web.Request) -> OpenCall:
        call_id = request.query.get("call_id")
        if call_id is None:
            message = "The emulator joins calls only: give 'call_id'. A session by 'model' is not emulated."
            raise Refusal(400, Mistake("missing_required_parameter", message, "call_id"))
        opened = self._calls.find(call_id)
        if opened is None or self._is_hidden(opened):
            raise call_not_found(404)
        if refused := self._mishaps.take(REFUSE_ATTACH, call_id):
            raise _refusal(refused, request)
        return opened

    def _is_hidden(self, opened: OpenCall) -> bool:
        young = self._mishaps.look(ATTACH_404)
        alone = opened.call.line.record.peer_connected_at is None
        hidden_alone = alone and self._mishaps.look(ATTACH_BEFORE_PEER, opened.id) is not None
        return hidden_alone or (young is not None and opened.age_ms < young["ms"])

    def _make_room(self, opened: OpenCall) -> None:
        """Where a call may have one sideband only."""
        if opened.sidebands and self._manners.second_sideband == "refuse":
            message = "This call has a sideband already. Close it before you attach another one."
            raise Refusal(409, Mistake("sideband_already_attached", message))
        if self._manners.second_sideband == "replace":
            for older in list(opened.sidebands):
                older.finish(*REPLACED)


def _wrong_answer() -> web.Response:
    """Looks like the end of a handshake, and answers somebody else's key."""
    return web.Response(
        status=101,
        headers={
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": "bm90IHlvdXIga2V5IGF0IGFsbA==",
        },
    )


def _refusal(fault: dict[str, int], request: web.Request) -> Refusal:
    if fault["status"] == 404:
        return call_not_found(404)
    headers = {"Retry-After": str(fault["retry_after"])} if fault["retry_after"] else {}
    if fault["status"] < 400:
        headers["Location"] = f"{request.rel_url.update_query(redirected=1)}"
    return Refusal(
        fault["status"], Mistake("attach_refused", "The emulator was told to refuse this."), headers
    )
