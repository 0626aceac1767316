"""What the benches of both stores share: a fresh database, and calls that wait for a holder."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import update

from call_log import calls, migrations, nodes, schema
from call_log.holding import DEAD_AFTER_MS
from call_log.store import Store
from tests.postgres import Cluster

NOW = time.time_ns() // 1_000_000
USUAL: dict[str, Any] = {
    "profile": "default",
    "model": "gpt-realtime",
    "caller": "bench",
    "upstream": "azure",
    "recording": "preferred",
    "metadata": None,
    "consent": None,
}
"""What a call is like that nobody asked anything special of."""


@contextlib.contextmanager
def urls(kinds: list[str]) -> Iterator[list[str]]:
    """The URLs of a fresh database of each kind, with current tables; all is gone in the end."""
    with contextlib.ExitStack() as cleaning:
        made = [_make(kind, cleaning) for kind in kinds]
        for url in made:
            migrations.upgrade(url)
        yield made


def _make(kind: str, cleaning: contextlib.ExitStack) -> str:
    if kind == "sqlite":
        return f"sqlite:///{cleaning.enter_context(tempfile.TemporaryDirectory())}/bench.db"
    cluster = Cluster()
    cleaning.callback(cluster.remove)
    cluster.start()
    return cluster.url(cluster.make_database("template0"))


def answered(store: Store, count: int) -> None:
    """So many calls that were answered and that nobody holds."""
    for start in range(0, count, 1_000):
        with store.writing() as db:
            for number in range(start, min(start + 1_000, count)):
                call = calls.dial(db, call_id=calls.new_call_id(), at=NOW, **USUAL)
                calls.answer(
                    db, call.call_id, upstream_call_id=f"rtc_{number}", upstream_request_id=None, at=NOW
                )


def join(store: Store, *node_ids: str) -> None:
    """Nodes that have renewed for a lease already; they live on for as long as somebody lets their hearts `beat`."""
    with store.writing() as db:
        for node_id in node_ids:
            nodes.join(db, node_id, host="bench", pid=1, lock_path="/nowhere", version="1")
        since = schema.nodes.c.renewed_since
        db.execute(update(schema.nodes).values(renewed_since=since - DEAD_AFTER_MS))


def beat(store: Store, *node_ids: str) -> None:
    """One heartbeat of each."""
    with store.writing() as db:
        for node_id in node_ids:
            nodes.heartbeat(db, node_id)
