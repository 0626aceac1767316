"""The command line."""

from __future__ import annotations

import sys

import click

from switchboard.up import Trouble, up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Switchboard connects browsers to GPT Realtime and stays on the line."""


@main.command("up")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, envvar="PORT", show_default=True)
def up_command(port: int) -> None:
    """Start everything on this machine: schema, web, observer, and the emulator when no upstream is configured."""
    try:
        sys.exit(up(port))
    except Trouble as trouble:
        raise SystemExit(f"switchboard: {trouble}") from None
