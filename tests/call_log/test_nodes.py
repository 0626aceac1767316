"""The nodes and their locks."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from call_log import calls, nodes, schema
from call_log.lock import FileLock
from call_log.nodes import NodeLock
from call_log.store import Store, StoreUnavailable, now
from tests.call_log.conftest import only
from tests.processes import ROOT


def _ids(found: list[nodes.Node]) -> list[str]:
    return sorted(node.node_id for node in found)


def test_a_joined_node_lives_by_the_databases_clock(store: Store) -> None:
    with store.writing() as db:
        before = now(db)
        nodes.join(db, "n1", host="here", pid=7, lock_path="/x/n1.lock", version="0.1")
        (node,) = nodes.live(db)
        assert before <= node.heartbeat_at <= now(db)
    assert node == nodes.Node(
        "n1",
        "here",
        7,
        node.started_at,
        node.heartbeat_at,
        False,
        "/x/n1.lock",
        node.backend_pid,
        "0.1",
        node.renewed_since,
        False,
    )


def test_a_node_is_dead_after_three_seconds_and_not_before(store: Store, join: Any) -> None:
    with store.writing() as db:
        join(db, "young")
        join(db, "old")
        for node_id, age in (("young", 3_000 - 900), ("old", 3_001)):
            same = update(schema.nodes).where(schema.nodes.c.node_id == node_id)
            db.execute(same.values(heartbeat_at=now(db) - age))
        assert _ids(nodes.live(db)) == ["young"]
        assert nodes.heartbeat(db, "old")
        assert _ids(nodes.live(db)) == ["old", "young"]


def test_a_draining_node_is_registered_but_takes_no_more_calls(store: Store, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        nodes.drain(db, "n1")
        assert nodes.live(db) == []
        assert _ids(nodes.registered(db)) == ["n1"]


def test_a_node_without_a_row_learns_it_from_its_heartbeat(store: Store) -> None:
    with store.writing() as db:
        assert not nodes.heartbeat(db, "n1")


def test_a_leaving_node_releases_its_own_calls_alone(store: Store, answered: Any, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        mine, other = answered(db), answered(db)
        calls.claim(db, "n1", limit=1, at=1)
        calls.claim(db, "n2", limit=1, at=1)
        nodes.leave(db, "n1")
        holders = [calls.find(db, call.call_id) for call in (mine, other)]
        assert [call.holder for call in holders if call] == [None, "n2"]
        assert _ids(nodes.registered(db)) == ["n2"]


def test_a_lock_is_seen_taken_and_then_free(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "n1.lock"
    assert NodeLock.is_free(path)
    lock = NodeLock(path)
    assert lock.acquire()
    assert not NodeLock.is_free(path)
    assert not FileLock(path).acquire()
    lock.release()
    assert NodeLock.is_free(path)
    assert not path.exists()


def test_a_lock_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        NodeLock(tmp_path / "file" / "n1.lock").acquire()


def _hold(path: str, held: Any) -> None:
    NodeLock(path).acquire()
    held.set()
    signal.pause()


@only("sqlite")
def test_the_lock_of_a_killed_process_is_free_at_once(store: Store) -> None:
    spawn = multiprocessing.get_context("spawn")
    path, held = store.lock_folder / "n1.lock", spawn.Event()
    with store.writing() as db:
        nodes.join(db, "n1", host="here", pid=1, lock_path=path, version="1")
        nodes.join(db, "far", host="there", pid=1, lock_path="/nowhere", version="1")
        registered = nodes.registered(db)
    holder = spawn.Process(target=_hold, args=(str(path), held))
    holder.start()
    assert held.wait(30)
    assert nodes.free_locks(registered, host="here") == frozenset()
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(30)
    assert nodes.free_locks(registered, host="here") == {"n1"}


def test_a_full_node_looks_after_its_calls_and_takes_no_more(store: Store, join: Any) -> None:
    with store.writing() as db:
        join(db, "n1")
        join(db, "n2")
        nodes.heartbeat(db, "n1", full=True)
        assert (_ids(nodes.live(db)), _ids(nodes.with_room(db))) == (["n1", "n2"], ["n2"])
        nodes.heartbeat(db, "n1")
        assert _ids(nodes.with_room(db)) == ["n1", "n2"]


def test_a_lapse_is_remembered_until_a_node_has_renewed_for_a_full_lease(
    store: Store, join: Any, kill: Any
) -> None:
    def since(db: Any) -> int:
        return nodes.registered(db)[0].renewed_since

    with store.writing() as db:
        join(db, "n1")
        before = since(db)
        assert nodes.heartbeat(db, "n1") and since(db) == before, "no lapse: nothing is forgotten"
        kill(db, "n1")
        lapsed_at = now(db)
        assert nodes.heartbeat(db, "n1") and since(db) >= lapsed_at
        renewed = since(db)
        assert nodes.heartbeat(db, "n1") and since(db) == renewed


def test_a_node_that_was_killed_is_found_with_what_it_died_of(tmp_path: Path) -> None:
    script = f"""
import os, signal
from call_log.nodes import NodeLock
lock = NodeLock({str(tmp_path / "node_1.lock")!r})
lock.take()
lock.accuse(41)
lock.accuse(42)
print("ready", flush=True)
signal.pause()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    assert nodes.died_here(tmp_path) == []
    child.kill()
    child.wait()
    child.stdout.close()
    (found,) = nodes.died_here(tmp_path)
    assert (found.path.stem, found.accused()) == ("node_1", 42)
    assert nodes.died_here(tmp_path) == [], "one buries"
    found.let_go()
    (again,) = nodes.died_here(tmp_path)
    again.release()
    assert nodes.died_here(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_new_file_was_buried_under_it_is_taken_at_its_path_all_the_same(tmp_path: Path) -> None:
    """The burier saw the file between its making and its locking."""
    path = tmp_path / "node_1.lock"
    burier = NodeLock(path)
    assert burier.acquire()
    starting = NodeLock(path)
    with ThreadPoolExecutor(1) as threads:
        taking = threads.submit(starting.take)
        with pytest.raises(TimeoutError):
            taking.result(0.1)
        burier.release()
        taking.result(20)
    assert not NodeLock.is_free(path) and path.exists()
    assert starting.accused() == 0
    starting.release()
