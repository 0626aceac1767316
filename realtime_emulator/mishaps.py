"""Faults that are asked for by name: the one seam through which the emulator misbehaves.

A new fault is a line in `MISHAPS`, its parameters in `PARAMETERS`, and one question at the place where it
happens.
"""

from typing import Any

from realtime_emulator.refusals import Mistake, invalid_type, missing_parameter, unknown_parameter

ATTACH_404 = "404 on attach"
REFUSE_OFFER = "refuse the offer"

MISHAPS: dict[str, str] = {
    ATTACH_404: "For the first `ms` milliseconds of each call's life, its sideband answers 404 call_id_not_found.",
    REFUSE_OFFER: "The next `times` offers are refused with the HTTP status `status`, in the vendor's envelope.",
}

PARAMETERS: dict[str, dict[str, int]] = {
    ATTACH_404: {"ms": 1000},
    REFUSE_OFFER: {"times": 1, "status": 400},
}
"""Each fault's parameters with their defaults."""


class Mishaps:
    def __init__(self) -> None:
        self._armed: dict[str, dict[str, int]] = {}

    def arm(self, body: dict[str, Any]) -> None:
        """`{"name": …, <parameter>: n …}`. Raises `Mistake` for a name or a parameter that is not known."""
        name = body.get("name")
        if name is None:
            raise missing_parameter("name")
        if not isinstance(name, str) or name not in MISHAPS:
            raise Mistake("invalid_value", f"No mishap is called '{str(name)[:64]}'. GET lists them.", "name")
        self._armed[name] = {**PARAMETERS[name], **_read_parameters(name, body)}

    def disarm(self) -> None:
        self._armed.clear()

    def look(self, name: str) -> dict[str, int] | None:
        """The parameters of a fault that is armed, and stays so."""
        return self._armed.get(name)

    def take(self, name: str) -> dict[str, int] | None:
        """The same for a fault with `times`: one of them is used up."""
        armed = self._armed.get(name)
        if armed is None:
            return None
        armed["times"] -= 1
        if armed["times"] <= 0:
            del self._armed[name]
        return armed

    def as_json(self) -> dict[str, Any]:
        known = [
            {"name": name, "does": sentence, "parameters": PARAMETERS[name]}
            for name, sentence in MISHAPS.items()
        ]
        return {"mishaps": known, "armed": [{"name": name, **found} for name, found in self._armed.items()]}


def _read_parameters(name: str, body: dict[str, Any]) -> dict[str, int]:
    wanted = {key: value for key, value in body.items() if key != "name"}
    for key, value in wanted.items():
        if key not in PARAMETERS[name]:
            raise unknown_parameter(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise invalid_type(key, "a whole number of at least 1")
    status = wanted.get("status", 400)
    if not 400 <= status <= 599:
        raise Mistake("invalid_value", f"Invalid 'status': {status} is not an error status.", "status")
    return wanted
