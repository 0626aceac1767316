"""The emulator's log lines: one JSON object each, on stderr, because stdout belongs to the line that says where."""

import logging
import sys

import structlog

QUIET = ("aiortc", "aioice", "aiohttp.access")
"""They tell of every packet or request; below WARNING nobody wants it."""


def configure_logs() -> None:
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")
    level = structlog.processors.add_log_level
    render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[stamp, level, structlog.processors.format_exc_info, render],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=render,
            foreign_pre_chain=[stamp, level, structlog.processors.format_exc_info],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[lines], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
