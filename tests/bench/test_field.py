"""A field is measured: nothing in it may do the extra work that tests ask of the same programs."""

from __future__ import annotations

from pathlib import Path

from bench.field import put_up_unread
from tests.processes import Process


def test_nothing_in_a_field_runs_in_the_debug_mode_of_asyncio(tmp_path: Path) -> None:
    with put_up_unread(tmp_path, rate=1) as field:
        web = field.house.web
        assert web is not None
        for process in (field.emulator.process, web, *field.house.observers):
            assert b"PYTHONASYNCIODEBUG=" in environ(process), process.name


def environ(process: Process) -> list[bytes]:
    """What it was started with, as the kernel keeps it."""
    return Path(f"/proc/{process.child.pid}/environ").read_bytes().split(b"\0")
