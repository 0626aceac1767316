"""Sealed calls for tests, written as the observer writes them."""

from __future__ import annotations

import random

from call_log import calls, events, nodes
from call_log.call import Call
from call_log.events import EventRow
from call_log.seal import Chain, Seal
from call_log.store import Store

AT = 1_795_000_000_000
KEY = "5e" * 32
SEAL = Seal.of(KEY)
NODE = "node_of_sealed"


def dial_and_claim(store: Store, **columns: object) -> Call:
    """A call that NODE holds."""
    given: dict[str, object] = {
        "call_id": calls.new_call_id(), "profile": "default", "model": "m", "caller": "ada", "upstream": "azure",
        "recording": "preferred", "metadata": None, "consent": None, "at": AT, **columns,
    }  # fmt: skip
    with store.writing() as db:
        if not any(node.node_id == NODE for node in nodes.registered(db)):
            nodes.join(db, NODE, host="here", pid=1, lock_path="/nowhere", version="1")
        nodes.heartbeat(db, NODE)
        call = calls.dial(db, **given)  # type: ignore[arg-type]
        upstream_call_id = f"rtc_{call.number}"
        calls.answer(db, call.call_id, upstream_call_id=upstream_call_id, upstream_request_id=None, at=AT)
        (claimed,) = [c for c in calls.claim(db, NODE, limit=99, at=AT) if c.number == call.number]
    return claimed


def write(store: Store, call: Call, bodies: list[bytes], seal: Seal = SEAL) -> Call:
    """Append sealed events to a call that NODE holds; returns its row as it is then."""
    assert call.salt is not None
    chain = Chain(seal, call.call_id, call.salt, call.head)
    rows = [
        chain.sealed(EventRow(call.number, seq, AT + seq, "upstream", f"type.{seq % 3}", f"e_{seq}", body))
        for seq, body in enumerate(bodies, call.last_seq + 1)
    ]
    with store.writing() as db:
        nodes.heartbeat(db, NODE)
        assert events.append(db, NODE, {call.number: call.epoch}, rows) == set()
    return find(store, call)


def end(store: Store, call: Call) -> Call:
    """The call is over."""
    with store.writing() as db:
        assert calls.update_held(
            db, call.number, call.epoch, NODE,
            state="ended", ended_at=AT + 99, end_reason="unknown", end_certainty="inferred", holder=None,
        )  # fmt: skip
    return find(store, call)


def ended(store: Store, bodies: list[bytes], **columns: object) -> Call:
    """A sealed call that is over."""
    return end(store, write(store, dial_and_claim(store, **columns), bodies))


def find(store: Store, call: Call) -> Call:
    with store.reading() as db:
        found = calls.find(db, call.call_id)
    assert found is not None
    return found


def some_bodies(seed: int, count: int) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(chance.choice([0, 1, 40, 300, 5_000])) for _ in range(count)]
