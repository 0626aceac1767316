"""The emulator's log lines: one JSON object each, on stderr, because stdout belongs to the line that says where."""

import logging
import sys

import structlog

LEVELS = ("debug", "info", "warning", "error", "critical")
QUIET = ("aiortc", "aioice", "aiohttp.access")
"""They tell of every packet or request; below WARNING nobody wants it."""


def configure_logs(level: str = "info") -> None:
    """`level` is one of `LEVELS`."""
    lowest = logging.getLevelNamesMapping()[level.upper()]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")
    name_level = structlog.processors.add_log_level
    render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[stamp, name_level, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=render,
            foreign_pre_chain=[stamp, name_level, structlog.processors.format_exc_info],
        )
    )
    logging.basicConfig(level=lowest, handlers=[lines], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(lowest, logging.WARNING))
