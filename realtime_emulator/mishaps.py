"""Faults that are asked for by name: the one seam through which the emulator misbehaves.

A new fault is a line in `MISHAPS`, its parameters in `PARAMETERS`, and one question at the place where it
happens: `look` for a fault that lasts, `take` for one that happens `times` times.
"""

from dataclasses import dataclass
from typing import Any

from realtime_emulator.refusals import Mistake, invalid_type, missing_parameter, unknown_parameter

ATTACH_404 = "404 on attach"
ATTACH_BEFORE_PEER = "404 until the peer connects"
REFUSE_ATTACH = "refuse the attach"
SLOW_HANDSHAKE = "slow handshake"
WRONG_KEY = "wrong accept key"
SILENT_SIDEBAND = "silent sideband"
HALF_OPEN = "half-open sideband"
DEAF = "deaf sideband"
RESET = "reset the sideband"
OVERSIZE = "oversize event"
POISON = "poison events"
FLOOD = "flood"
DUPLICATE = "duplicate events"
USED_ID = "events with a used id"
OUT_OF_ORDER = "events out of order"
REFUSE_OFFER = "refuse the offer"
SLOW_MINT = "slow mint"
SLOW_OFFER = "slow offer"
DROP_SIDEBAND = "drop the sideband"
SERVER_ERROR = "server error after attach"
HANG_UP = "hang up by itself"
SESSION_LIMIT = "reach the session limit"
CUT_NETWORK = "cut the network of a call"
TRANSCRIPTION_FAILS = "transcription fails"
FAIL_RESPONSE = "fail the response"
UNTOLD_UPDATE = "do not tell sidebands of an update"

MISHAPS: dict[str, str] = {
    ATTACH_404: "For the first `ms` milliseconds of each call's life, its sideband answers 404 call_id_not_found.",
    ATTACH_BEFORE_PEER: "Until a call's peer has connected, its sideband answers 404 call_id_not_found.",
    REFUSE_ATTACH: "The next `times` sidebands are refused with `status` (3xx: sent elsewhere), and `retry_after`.",
    SLOW_HANDSHAKE: "The next `times` sidebands wait `ms` milliseconds for the answer to their handshake.",
    WRONG_KEY: "The next `times` handshakes are answered with another Sec-WebSocket-Accept than was asked for.",
    SILENT_SIDEBAND: "A sideband is told nothing any more, `ms` after it attached; pings are answered.",
    HALF_OPEN: "A sideband is dead, `ms` after it attached, and looks alive: no event, no pong, no FIN.",
    DEAF: "A sideband is not read any more, `ms` after it attached: what its client sends piles up.",
    RESET: "A sideband's connection is reset (RST), `ms` after it attached.",
    OVERSIZE: "A sideband is sent an event of more than `bytes` bytes, `ms` after it attached.",
    POISON: "A sideband is sent frames that are no plain JSON events, one of each kind, `ms` after it attached.",
    FLOOD: "A sideband is sent `events` events at once, `ms` after it attached.",
    DUPLICATE: "The next `times` events are sent to the sidebands twice.",
    USED_ID: "The next `times` events are each followed by another event with the same id.",
    OUT_OF_ORDER: "The next `times` events are each sent behind the one that follows.",
    REFUSE_OFFER: "The next `times` offers are refused with the HTTP status `status`, in the vendor's envelope.",
    SLOW_MINT: "`client_secrets` waits `ms` milliseconds before it does anything.",
    SLOW_OFFER: "`calls` waits `ms` milliseconds; then it makes the call, whether or not the client has gone.",
    DROP_SIDEBAND: "A sideband is closed with `code` (1006: cut off without a close frame), `ms` after it attached.",
    SERVER_ERROR: "A sideband is told an `error` of type server_error whose code is null, `ms` after it attached.",
    HANG_UP: "A call is ended by the service, `ms` after its answer.",
    SESSION_LIMIT: "A call hits its maximum duration, `ms` after its answer: session_expired, 1001, and the end.",
    CUT_NETWORK: "A call's packets are lost both ways, `ms` after its peer connected: nobody says goodbye.",
    TRANSCRIPTION_FAILS: "Each transcription fails with DeploymentNotFound, and the call goes on.",
    FAIL_RESPONSE: "A response ends with the status failed and a server_error, before it says anything.",
    UNTOLD_UPDATE: "A page's session.update is answered on the page's data channel alone.",
}

PARAMETERS: dict[str, dict[str, int]] = {
    ATTACH_404: {"ms": 1000},
    ATTACH_BEFORE_PEER: {},
    REFUSE_ATTACH: {"times": 1, "status": 503, "retry_after": 0},
    SLOW_HANDSHAKE: {"times": 1, "ms": 10_000},
    WRONG_KEY: {"times": 1},
    SILENT_SIDEBAND: {"times": 1, "ms": 0},
    HALF_OPEN: {"times": 1, "ms": 0},
    DEAF: {"times": 1, "ms": 0},
    RESET: {"times": 1, "ms": 0},
    OVERSIZE: {"times": 1, "bytes": 20 * 1024 * 1024, "ms": 0},
    POISON: {"times": 1, "ms": 0},
    FLOOD: {"times": 1, "events": 10_000, "ms": 0},
    DUPLICATE: {"times": 1},
    USED_ID: {"times": 1},
    OUT_OF_ORDER: {"times": 1},
    REFUSE_OFFER: {"times": 1, "status": 400},
    SLOW_MINT: {"ms": 1000},
    SLOW_OFFER: {"ms": 1000},
    DROP_SIDEBAND: {"times": 1, "code": 1011, "ms": 0},
    SERVER_ERROR: {"times": 1, "ms": 0},
    HANG_UP: {"times": 1, "ms": 0},
    SESSION_LIMIT: {"times": 1, "ms": 0},
    CUT_NETWORK: {"times": 1, "ms": 0},
    TRANSCRIPTION_FAILS: {},
    FAIL_RESPONSE: {"times": 1},
    UNTOLD_UPDATE: {},
}
"""Each fault's parameters with their defaults. Those with `times` are used up, the others last."""

BEFORE_THE_CALL = {REFUSE_OFFER, SLOW_MINT, SLOW_OFFER}
"""These happen when there is no call yet, so they take no `call_id`."""

_BOUNDS = {
    "ms": (0, 3_600_000),
    "times": (1, 1_000_000),
    "status": (300, 599),
    "code": (1000, 4999),
    "retry_after": (0, 3_600),
    "bytes": (1, 100 * 1024 * 1024),
    "events": (1, 100_000),
}


@dataclass
class Armed:
    name: str
    call_id: str | None
    values: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        named = {"call_id": self.call_id} if self.call_id else {}
        return {"name": self.name, **named, **self.values}


class Mishaps:
    def __init__(self) -> None:
        self._armed: list[Armed] = []

    def arm(self, body: dict[str, Any]) -> None:
        """`{"name": …, <parameter>: n …, "call_id"?: …}`. Replaces what was armed for the same call, or for any.

        Raises `Mistake` for a name or a parameter that is not known.
        """
        name, call_id = body.get("name"), body.get("call_id")
        if name is None:
            raise missing_parameter("name")
        if not isinstance(name, str) or name not in MISHAPS:
            raise Mistake("invalid_value", f"No mishap is called '{str(name)[:64]}'. GET lists them.", "name")
        if call_id is not None and (not isinstance(call_id, str) or name in BEFORE_THE_CALL):
            raise invalid_type("call_id", "a call's id, for a mishap that happens on a call")
        values = {**PARAMETERS[name], **_read_parameters(name, body)}
        self._armed = [one for one in self._armed if (one.name, one.call_id) != (name, call_id)]
        self._armed.append(Armed(name, call_id, values))

    def disarm(self) -> None:
        self._armed.clear()

    def forget(self, call_id: str) -> None:
        """The call is over; what was armed for it alone cannot happen any more."""
        self._armed = [one for one in self._armed if one.call_id != call_id]

    def look(self, name: str, call_id: str | None = None) -> dict[str, int] | None:
        """The parameters of a fault that is armed for this call or for any, and stays so."""
        found = self._find(name, call_id)
        return found.values if found else None

    def take(self, name: str, call_id: str | None = None) -> dict[str, int] | None:
        """The same for a fault with `times`: one of them is used up."""
        found = self._find(name, call_id)
        if found is None:
            return None
        found.values["times"] -= 1
        if found.values["times"] <= 0:
            self._armed.remove(found)
        return found.values

    def as_json(self) -> dict[str, Any]:
        known = [
            {"name": name, "does": sentence, "parameters": PARAMETERS[name]}
            for name, sentence in MISHAPS.items()
        ]
        return {"mishaps": known, "armed": [one.as_json() for one in self._armed]}

    def _find(self, name: str, call_id: str | None) -> Armed | None:
        mine = [one for one in self._armed if one.name == name and one.call_id in (None, call_id)]
        return next((one for one in mine if one.call_id), mine[0] if mine else None)


def _read_parameters(name: str, body: dict[str, Any]) -> dict[str, int]:
    wanted = {key: value for key, value in body.items() if key not in ("name", "call_id")}
    for key, value in wanted.items():
        if key not in PARAMETERS[name]:
            raise unknown_parameter(key)
        low, high = _BOUNDS[key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise invalid_type(key, f"a whole number from {low} to {high}")
    return wanted
