"""A call's record as a file: whole or not at all, and for nobody else on this machine to read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from switchboard.plain import harmless_lines
from switchboard.service import Service, Trouble

FORMS = {"ndjson": "events", "text": "transcript", "vtt": "transcript", "json": "transcript"}


def pieces(service: Service, call_id: str, form: str) -> Iterator[bytes]:
    """The call in this form, as it comes."""
    return service.read(f"/calls/{call_id}/{FORMS[form]}", format=form)


def print_out(content: Iterator[bytes]) -> None:
    """To standard output: as it is into a pipe or a file, harmless on a terminal."""
    if sys.stdout.isatty():
        click.echo(harmless_lines(b"".join(content).decode(errors="replace")), nl=False)
        return
    sys.stdout.buffer.writelines(content)


def write(content: Iterator[bytes], path: Path) -> None:
    """To a file, which appears when it is complete. Raises Trouble."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.writelines(content)
        part.replace(path)
    except OSError as fault:
        raise Trouble(
            f"{path} can't be written ({fault.strerror}); choose another place with --output"
        ) from None
    finally:
        part.unlink(missing_ok=True)
