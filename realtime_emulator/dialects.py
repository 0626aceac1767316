"""The two vendors' forms of one protocol, as far as they differ. Knows facts, decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from realtime_emulator.identifiers import Identifiers


@dataclass(frozen=True)
class Dialect:
    """Sources: recordings of both vendors, July 2026, and OpenAI's API schema."""

    name: Literal["azure", "openai"]
    prefix: str
    request_id_header: str
    secret_seconds: int
    """How long an ephemeral secret lives when nobody says: 7200 was measured on Azure, 600 is documented."""
    calls_need_ephemeral: bool
    repeats_part_as_content: bool
    sends_rate_limits: bool
    name_call: Callable[[Identifiers], tuple[str, str]]
    """Makes a call's id and its session's. On OpenAI they share their ending, on Azure they do not."""


def _name_azure_call(ids: Identifiers) -> tuple[str, str]:
    return f"rtc_{ids.hexadecimal(32)}", ids.new("sess")


def _name_openai_call(ids: Identifiers) -> tuple[str, str]:
    ending = ids.letters(21)
    return f"rtc_u0_{ending}", f"sess_u0_{ending}"


AZURE = Dialect("azure", "/openai/v1/realtime", "apim-request-id", 7200, True, True, False, _name_azure_call)
OPENAI = Dialect("openai", "/v1/realtime", "x-request-id", 600, False, False, True, _name_openai_call)
DIALECTS = (AZURE, OPENAI)


def dialect_of(path: str) -> Dialect | None:
    """The dialect that a request's path speaks; None for the emulator's own routes."""
    return next((one for one in DIALECTS if path == one.prefix or path.startswith(one.prefix + "/")), None)
