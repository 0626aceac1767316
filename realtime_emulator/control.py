"""The emulator's own routes under `/emulator`: ledger, calls, mishaps, script. Not part of any protocol."""

import json
from typing import Any

from aiohttp import web

from realtime_emulator.attending import Manners
from realtime_emulator.calls import Calls
from realtime_emulator.json_reading import read_object
from realtime_emulator.ledger import Ledger
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.refusals import Mistake, invalid_type, unknown_parameter
from realtime_emulator.script import Script

FASTEST = 1_000
"""Events per second of one call."""
COMPACT = "application/x-ndjson"


class Control:
    def __init__(
        self, ledger: Ledger, mishaps: Mishaps, script: Script, calls: Calls, manners: Manners
    ) -> None:
        self._ledger, self._mishaps, self._script = ledger, mishaps, script
        self._calls, self._manners = calls, manners

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.tell_health),
            web.get("/emulator/ledger", self.show_ledger),
            web.get("/emulator/ledger.ndjson", self.stream_ledger),
            web.delete("/emulator/ledger", self.begin_ledger_anew),
            web.get("/emulator/calls", self.show_calls),
            web.post("/emulator/calls", self.direct_calls),
            web.get("/emulator/mishaps", self.show_mishaps),
            web.post("/emulator/mishaps", self.arm_mishap),
            web.delete("/emulator/mishaps", self.disarm_mishaps),
            web.post("/emulator/script", self.write_script),
        ]

    async def tell_health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def show_ledger(self, request: web.Request) -> web.Response:
        self._calls.settle_records()
        return web.json_response(self._ledger.as_json(request.query.get("call")))

    async def stream_ledger(self, request: web.Request) -> web.StreamResponse:
        """The heading, then a line for each call with its events in columns: millions of events in seconds."""
        self._calls.settle_records()
        response = web.StreamResponse(headers={"Content-Type": COMPACT})
        await response.prepare(request)
        await response.write(_line(self._ledger.heading()))
        for call_id in self._ledger.call_ids():
            if told := self._ledger.call_in_columns(call_id):
                await response.write(_line(told))
        await response.write_eof()
        return response

    async def begin_ledger_anew(self, request: web.Request) -> web.Response:
        self._ledger.forget_what_is_over()
        return web.Response(status=204)

    async def show_calls(self, request: web.Request) -> web.Response:
        return web.json_response(self._calls_as_json())

    async def direct_calls(self, request: web.Request) -> web.Response:
        """`{"call_id"?, "events_per_second"?, "end"?, "second_sideband"?}`: one call, or all and those to come."""
        body = read_object(await request.read())
        for name in body:
            if name not in ("call_id", "events_per_second", "end", "second_sideband"):
                raise unknown_parameter(name)
        if "second_sideband" in body:
            self._manners.read_second_sideband(body["second_sideband"])
        if "events_per_second" in body:
            self._calls.pace(read_rate(body["events_per_second"]), body.get("call_id"))
        if body.get("end"):
            self._calls.end_as_told(body.get("call_id"))
        return web.json_response(self._calls_as_json())

    async def show_mishaps(self, request: web.Request) -> web.Response:
        return web.json_response(self._mishaps.as_json())

    async def arm_mishap(self, request: web.Request) -> web.Response:
        self._mishaps.arm(read_object(await request.read()))
        self._calls.suffer()
        return web.json_response(self._mishaps.as_json())

    async def disarm_mishaps(self, request: web.Request) -> web.Response:
        self._mishaps.disarm()
        return web.json_response(self._mishaps.as_json())

    async def write_script(self, request: web.Request) -> web.Response:
        self._script.write(read_object(await request.read()))
        return web.Response(status=204)

    def _calls_as_json(self) -> dict[str, Any]:
        return {"second_sideband": self._manners.second_sideband, "calls": self._calls.as_json()}


def read_rate(wanted: object) -> float:
    """Events per second. Raises `Mistake`."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        raise invalid_type("events_per_second", "a number")
    if not 0 <= wanted <= FASTEST:
        message = f"Invalid 'events_per_second': expected 0 to {FASTEST}, got {wanted}."
        raise Mistake("invalid_value", message, "events_per_second")
    return float(wanted)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
