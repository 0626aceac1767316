"""What an operator does on a call from a terminal: ask for it once, wait, say what became of it.

Knows the acts' names and what an exit status means. Whether an act is allowed, and when it is settled, is the API's
to say.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from switchboard.asking import asks, say_json
from switchboard.plain import harmless, moment
from switchboard.service import Service, Trouble

COLUMNS = ("COMMAND", "ASKED (UTC)", "BY", "STATE", "CODE")
STATUSES = {"confirmed": 0, "refused": 1, "expired": 1, "unknown": 3}
UNSETTLED = 3
WAIT_SECONDS = 45.0
LOOK_SECONDS = 0.1
TRIES = 3
SPOKEN = {
    "say": "Have the model say this to the caller, word for word.",
    "whisper": "Tell the model something that the caller does not hear.",
    "instructions": "Give the model new instructions.",
}
SILENT = {
    "interrupt": "Silence the model now.",
    "mute": "Silence the model until it is unmuted.",
    "unmute": "Let the model answer again.",
    "hangup": "Hang up.",
}
DECISIONS = {
    "approve": "Let a tool run that waits for an operator; FUNCTION_CALL is its id in `calls show --json`.",
    "deny": "Do not let it run.",
}
TYPES = {"hangup": "hang_up"}


def settle(service: Service, call_id: str, said: dict[str, object], key: str, wait: float) -> dict[str, Any]:
    """Ask for it, and look until it is settled or `wait` seconds are over; the command as it was last seen."""
    _ask(service, call_id, said, key)
    give_up_at = time.monotonic() + wait
    while True:
        command = _look(service, call_id, key, give_up_at)
        if command["state"] in STATUSES or time.monotonic() >= give_up_at:
            return command
        time.sleep(LOOK_SECONDS)


def _ask(service: Service, call_id: str, said: dict[str, object], key: str) -> None:
    """By its key it has one effect, however often an answer is lost."""
    for left in reversed(range(TRIES)):
        try:
            service.post(f"/calls/{call_id}/commands", said, Idempotency_Key=key)
            return
        except Trouble as trouble:
            if not trouble.passing or not left:
                raise
            time.sleep(1.0)


def _look(service: Service, call_id: str, key: str, give_up_at: float) -> dict[str, Any]:
    while True:
        try:
            return service.get(f"/calls/{call_id}/commands/{key}")
        except Trouble as trouble:
            if not trouble.passing or time.monotonic() >= give_up_at:
                raise
        time.sleep(1.0)


def row(command: dict[str, Any]) -> list[str]:
    """A command under COLUMNS."""
    return [command["type"], moment(command["at"]), command["by"], command["state"], command["code"] or ""]


def _sentence(command: dict[str, Any], wait: float) -> str:
    state, code, key = command["state"], command["code"], command["command_id"]
    more = f" ({code})" if code else ""
    said = {
        "confirmed": f"confirmed{more}",
        "refused": f"refused{more}: the upstream or the call's state did not allow it",
        "expired": "expired: nobody sent it within 30 s; look at `switchboard calls show`, and ask again",
        "unknown": f"unknown{more}: it was sent, and nobody can tell what became of it; look at the record",
    }.get(state, f"still {state} after {wait:g} s; ask again with --id {key}, it has one effect")
    return f"{command['type']} {said}."


def _act(
    service: Service, call_id: str, said: dict[str, object], key: str | None, wait: float, as_json: bool
) -> None:
    command = settle(service, call_id, said, key or f"cli_{secrets.token_hex(12)}", wait)
    if as_json:
        say_json(command)
    else:
        click.echo(harmless(_sentence(command, wait)))
    sys.exit(STATUSES.get(command["state"], UNSETTLED))


def _command(name: str, meaning: str, argument: str | None, member: str | None) -> click.Command:
    @asks
    def act(
        service: Service, call_id: str, key: str | None, wait: float, as_json: bool, **given: str
    ) -> None:
        words = {member: _words(given[argument])} if argument and member else {}
        _act(service, call_id, {"type": TYPES.get(name, name), **words}, key, wait, as_json)

    options: list[Callable[[Any], Any]] = [
        click.option("--id", "key", metavar="ID", help="Names the command: the same again has one effect."),
        click.option(
            "--wait", type=click.FloatRange(0), default=WAIT_SECONDS, show_default=True, metavar="SECONDS"
        ),
        *([click.argument(argument)] if argument else []),
        click.argument("call_id", metavar="CALL"),
    ]
    for option in options:
        act = option(act)
    return click.command(name, help=meaning)(act)


def _words(given: str) -> str:
    return sys.stdin.read() if given == "-" else given


COMMANDS = [
    *(
        _command(name, f"{meaning} TEXT of - is read from standard input.", "text", "text")
        for name, meaning in SPOKEN.items()
    ),
    *(_command(name, meaning, None, None) for name, meaning in SILENT.items()),
    *(_command(name, meaning, "function_call", "function_call_id") for name, meaning in DECISIONS.items()),
]
