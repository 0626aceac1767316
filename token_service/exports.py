"""The call log in the forms that people take elsewhere: NDJSON of events, CSV of calls.

Knows the forms and their traps; what stands in them is calls.py's. Long answers are read page by page, each page in a
short transaction of its own: a reader that is slow must not keep SQLite's log from starting over.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from flask import Response, request

NDJSON, CSV, JSON = "application/x-ndjson", "text/csv", "application/json"
COLUMNS = (
    "id",
    "created_at",
    "answered_at",
    "ended_at",
    "state",
    "end_reason",
    "end_certainty",
    "failure_code",
    "profile",
    "model",
    "caller",
    "upstream",
    "upstream_call_id",
    "turns",
    "response_gap_ms_p50",
    "response_gap_ms_worst",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")


def wanted(asked: str | None, **forms: str) -> str:
    """The name of the form that is wanted: `?format=` says it (a link can't set a header), else the Accept header;
    `json` where neither does. `forms` are the names and their media types."""
    if asked is not None:
        return asked
    types = {JSON: "json", **{media_type: name for name, media_type in forms.items()}}
    return types[request.accept_mimetypes.best_match(list(types), default=JSON)]


def ndjson(pages: Iterator[list[dict[str, Any]]], name: str) -> Response:
    """One event a line."""
    lines = ("".join(json.dumps(event, ensure_ascii=True) + "\n" for event in page) for page in pages)
    return file(lines, NDJSON, f"{name}.ndjson")


def calls_csv(pages: Iterator[list[dict[str, Any]]]) -> Response:
    """One call a row, the columns' names first."""

    def lines() -> Iterator[str]:
        yield _csv([list(COLUMNS)])
        for page in pages:
            yield _csv([[_cell(value) for value in _row(call)] for call in page])

    return file(lines(), f"{CSV}; charset=utf-8", "calls.csv")


def _csv(rows: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _row(call: dict[str, Any]) -> list[Any]:
    end, failure, summary = call["end"] or {}, call["failure"] or {}, call["summary"] or {}
    gap, usage, cost = (
        summary.get("response_gap_ms") or {},
        summary.get("usage") or {},
        summary.get("cost") or {},
    )
    more = {
        "end_reason": end.get("reason"),
        "end_certainty": end.get("certainty"),
        "failure_code": failure.get("code"),
        "turns": summary.get("turns"),
        "response_gap_ms_p50": gap.get("p50"),
        "response_gap_ms_worst": gap.get("worst"),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "cost_usd": cost.get("usd"),
    }
    return [(call | more)[column] for column in COLUMNS]


def _cell(value: object) -> object:
    """A spreadsheet runs a cell that begins like a formula; whoever names a profile or a caller could put one there."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINNINGS) else value


def file(content: Iterator[str], content_type: str, name: str) -> Response:
    """An answer that a browser saves instead of showing it."""
    response = Response(content, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
