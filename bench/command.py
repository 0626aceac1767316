"""What the commands of the benches have in common: how many calls, how talkative, over which store.

Knows arguments and where things are put up. What a bench does there is its own.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.field import Field, put_up
from bench.stores import urls

STORES = ("sqlite", "postgresql")


def command(doc: str | None, *, calls: int, rate: float) -> argparse.ArgumentParser:
    """A parser that knows what all of them take; the arguments are defaults."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--calls", type=int, default=calls)
    parser.add_argument("--rate", type=float, default=rate, help="events per second of each call")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    return parser


@contextlib.contextmanager
def put_up_as_asked(asked: argparse.Namespace, observers: int = 1) -> Iterator[Field]:
    """A field over a fresh store of the kind that was asked for; nothing of it remains."""
    with (
        tempfile.TemporaryDirectory() as folder,
        urls([asked.store]) as (url,),
        put_up(Path(folder), rate=asked.rate, observers=observers, database_url=url) as field,
    ):
        yield field
