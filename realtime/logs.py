"""How every process writes its log: one JSON object a line on stdout, ours and the libraries' alike. It masks what must
never be written (secrets, SDP, what was said) as the last step before the line, whoever wrote it."""

from __future__ import annotations

import json
import logging.config
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from realtime.errors import Misconfigured
from realtime.secret import SHOWN, Secret

MASK = "(masked)"
DEPTH_LIMIT = 6  # levels of nesting that a line shows
LEVELS = ("debug", "info", "warning", "error", "critical")
_MASKED_WORDS = frozenset(
    {"sdp", "offer", "answer", "authorization", "api_key", "token", "secret", "transcript", "text", "body"}
)
# At lower levels these write headers with keys, whole frames, or rows with what was said.
_QUIET = {
    "websockets": "INFO",
    "urllib3": "INFO",
    "requests": "INFO",
    "asyncio": "INFO",
    "sqlalchemy": "WARNING",
    "azure": "WARNING",
    "msal": "WARNING",
    "aiohttp": "INFO",
    "aiortc": "INFO",
    "aioice": "INFO",
    "alembic": "WARNING",
}
_SECRETS = re.compile(
    r"""\b(?:ek|sk)[_-][A-Za-z0-9_.-]{6,}"""
    r"""|(?i:\bbearer\s+)[^\s'",;]+"""
    r"""|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"""
    r"""|(?i:\bapi[-_]key['"]?\s*[:=]\s*['"]?)[^\s'",;]+"""
)
# As it stands, line by line, or as a repr within one line.
_SDP = re.compile(r"v=0(?:(?:\\[rn])+[^\n]*|(?:\r?\n[a-z]=[^\n]*)+)")


def configure(level: str) -> None:
    """structlog and the standard library's logging, to stdout, from `level` on. Raises Misconfigured."""
    logging.config.dictConfig(gunicorn_logconfig(level))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            *_stamps(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def gunicorn_logconfig(level: str) -> dict[str, Any]:
    """A `dictConfig` for gunicorn's `logconfig_dict`: its lines go through the same renderer. Raises Misconfigured."""
    if level.lower() not in LEVELS:
        raise Misconfigured(f"LOG_LEVEL must be one of {', '.join(LEVELS)}.")
    heard = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": _formatter}},
        "handlers": {
            "stdout": {"()": "realtime.log_lines.Lines", "stream": "ext://sys.stdout", "formatter": "json"}
        },
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {
            **{name: {**heard, "level": _higher(floor, level.upper())} for name, floor in _QUIET.items()},
            **{name: {**heard, "level": level.upper()} for name in ("gunicorn.error", "gunicorn.access")},
        },
    }


def _higher(one: str, other: str) -> str:
    known = logging.getLevelNamesMapping()
    return max(one, other, key=lambda name: known[name])


def _stamps() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]


def _formatter() -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_stamps(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            # The plain renderer: tracebacks without the values of local variables.
            structlog.processors.format_exc_info,
            mask,
            _line,
        ],
    )


def mask(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Replaces what must not be written: by its key, by its type, and by its look within any text."""
    return {str(key): MASK if _is_masked(str(key)) else _masked(value) for key, value in event.items()}


def _is_masked(key: str) -> bool:
    words = key.lower().replace("-", "_")
    return any(words == word or words.endswith(f"_{word}") for word in _MASKED_WORDS)


def _masked(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Secret):
        return SHOWN
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(value)} bytes)"
    if depth >= DEPTH_LIMIT:
        return "…"
    if isinstance(value, Mapping):
        return {str(k): MASK if _is_masked(str(k)) else _masked(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(part, depth + 1) for part in value]
    return scrubbed(_worded(value))


def _worded(value: object) -> str:
    if isinstance(value, (str, PurePath)):
        return str(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return f"<{type(value).__name__}>"  # a repr may show anything


def scrubbed(text: str) -> str:
    """The text without whatever looks like a secret or an SDP."""
    return _SDP.sub("(sdp)", _SECRETS.sub(SHOWN, text))


def _line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    first = {key: event.pop(key) for key in ("ts", "level", "event") if key in event}
    return json.dumps({**first, **event}, ensure_ascii=False, default=str)
