"""The emulator's own routes under `/emulator`: the ledger, the mishaps, the script. Not part of any protocol."""

from aiohttp import web

from realtime_emulator.calls import Calls
from realtime_emulator.json_reading import read_object
from realtime_emulator.ledger import Ledger
from realtime_emulator.mishaps import Mishaps
from realtime_emulator.script import Script


class Control:
    def __init__(self, ledger: Ledger, mishaps: Mishaps, script: Script, calls: Calls) -> None:
        self._ledger, self._mishaps, self._script, self._calls = ledger, mishaps, script, calls

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.tell_health),
            web.get("/emulator/ledger", self.show_ledger),
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
