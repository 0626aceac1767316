"""What every command about calls takes: where to ask, with which grant, and for whom the answer is laid out."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import Any

import click

from switchboard.service import Service

URL, GRANT = "SWITCHBOARD_URL", "SWITCHBOARD_GRANT"
ANSWERS = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def asks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --url, --grant and --json; it gets a Service first, then `as_json`."""

    @functools.wraps(command)
    def asking(url: str | None, grant: str | None, **given: Any) -> Any:
        return command(Service(url or here(), grant), **given)

    for option in (
        ANSWERS,
        click.option("--grant", envvar=GRANT, help=f"A grant, sent as a bearer [{GRANT}]."),
        click.option("--url", envvar=URL, help=f"Where Switchboard answers [{URL}; default: {here()}]."),
    ):
        asking = option(asking)
    return asking


def here() -> str:
    """Where `switchboard up` of this machine answers."""
    return f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"


def say_json(said: object) -> None:
    """One JSON value on one line; in ASCII, so that no terminal obeys a word of it."""
    click.echo(json.dumps(said))
