"""What the vendor says when it refuses: one shape for HTTP answers and for `error` events. Knows no cause."""

from collections.abc import Mapping
from typing import Any


class Mistake(Exception):
    """The client's mistake, in the vendor's words; an `error` event on a call, a 400 over HTTP."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param

    def as_error(self) -> dict[str, Any]:
        return {
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
        }


class OfferRefused(Exception):
    """The offer cannot be parsed or answered; the text says why."""


class Refusal(Exception):
    """An HTTP answer that is not the one asked for: a status and the envelope `{"error": {…}}`."""

    def __init__(self, status: int, mistake: Mistake, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(mistake.message)
        self.status, self.headers = status, dict(headers or {})
        self.body = {"error": mistake.as_error()}


def unknown_parameter(param: str) -> Mistake:
    return Mistake("unknown_parameter", f"Unknown parameter: '{param}'.", param)


def missing_parameter(param: str) -> Mistake:
    return Mistake("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def invalid_type(param: str, expected: str) -> Mistake:
    return Mistake("invalid_type", f"Invalid type for '{param}': expected {expected}.", param)


def unsupported_value(param: str, value: object, supported: tuple[str, ...]) -> Mistake:
    named = ", ".join(f"'{one}'" for one in supported)
    shown = str(value)[:100]
    return Mistake("invalid_value", f"Invalid value: '{shown}'. Supported values are: {named}.", param)


def call_not_found(status: int) -> Refusal:
    """404 when a sideband asks for it, 400 when a hang-up does (OpenAI's API schema; recorded by clients)."""
    return Refusal(status, Mistake("call_id_not_found", "No session found for the provided call_id"))


def unauthorized(message: str, code: str = "invalid_api_key") -> Refusal:
    return Refusal(401, Mistake(code, message))
