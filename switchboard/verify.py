"""Holding a call's record to the head of its seals that the API publishes.

Knows what can be told from where. Over HTTP: whether the head is one that was kept, and whether events are missing.
What the events' seals are made of (bytes, salt, links) does not leave the store: only beside it can the chain be
walked, by call_log/verify.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from call_log import verify as chain
from call_log.errors import SchemaBehind, StoreUnavailable
from call_log.seal import BadKey, Seal
from call_log.store import Store
from switchboard.service import Service, Trouble

NEEDED = ("DATABASE_URL", "SWITCHBOARD_SEAL_KEY")
AT_ONCE = 1_000
NOT_WALKED = (
    "the chain was not walked, which takes DATABASE_URL and SWITCHBOARD_SEAL_KEY where this command runs"
)
Head = tuple[int, str]
Outcome = Literal["fits", "broken", "untold"]
STATUSES: dict[Outcome, int] = {"fits": 0, "broken": 1, "untold": 3}


@dataclass(frozen=True)
class Found:
    """What could be told of a call. `walked`: the chain in the store, event by event."""

    call_id: str
    outcome: Outcome
    sentence: str
    head: str | None
    walked: bool

    @property
    def status(self) -> int:
        """The exit status."""
        return STATUSES[self.outcome]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def head_of(text: str | None) -> Head | None:
    """A head as it was kept, `17:0011…`. Raises Trouble."""
    if text is None:
        return None
    seq, _, link = text.partition(":")
    try:
        return int(seq), bytes.fromhex(link).hex()
    except ValueError:
        raise Trouble("--head is no head; write SEQ:HEX as `switchboard calls show` does") from None


def verify(service: Service, call_id: str, kept: Head | None) -> Found:
    """Everything that can be told from here."""
    call = service.get(f"/calls/{call_id}")
    published = (call["seal"]["seq"], call["seal"]["head"]) if call["seal"] else None
    said = f"{published[0]}:{published[1]}" if published else None
    if published and all(os.environ.get(name) for name in NEEDED):
        broken = next(filter(None, (_walk(call_id, head) for head in (kept, published) if head)), None)
        if broken is None:
            return Found(call_id, "fits", f"{call_id} fits, through the published head {said}.", said, True)
        return Found(call_id, "broken", f"{call_id} does not fit: {broken}.", said, True)
    broken = _against(kept, published) or _missing(service, call, published)
    if broken:
        return Found(call_id, "broken", f"{call_id} does not fit: {broken}.", said, False)
    return Found(call_id, "untold", _untold(call_id, kept, published), said, False)


def _walk(call_id: str, head: Head) -> str | None:
    """Why the chain in the store does not go through this head; None where it does."""
    try:
        seal, store = Seal.of(os.environ[NEEDED[1]]), Store(os.environ[NEEDED[0]])
        try:
            store.require_current()
            verdict = chain.one(store, seal, call_id, (head[0], bytes.fromhex(head[1])))
        finally:
            store.close()
    except (SchemaBehind, StoreUnavailable, BadKey) as fault:
        raise Trouble(f"the call log can't be read: {fault}") from None
    if verdict is None:
        raise Trouble("DATABASE_URL names another call log than the one that answers: it has no such call")
    return None if verdict.broken_at is None else f"event {verdict.broken_at}: {verdict.why}"


def _against(kept: Head | None, published: Head | None) -> str | None:
    if kept is None:
        return None
    if published is None or published[0] < kept[0]:
        return f"events up to {kept[0]} were sealed once, and the record ends before"
    if published[0] == kept[0] and published[1] != kept[1]:
        return f"event {kept[0]} is not the one whose head was kept"
    return None


def _missing(service: Service, call: dict[str, Any], published: Head | None) -> str | None:
    """The first hole in what the API shows of an operator's call; a caller sees holes by right."""
    if published is None or "commands" not in call:
        return None
    expected = 1
    for seq in _seqs(service, call["id"]):
        if seq != expected:
            return f"event {expected} is missing"
        expected += 1
    return f"event {expected} is missing" if expected <= published[0] else None


def _seqs(service: Service, call_id: str) -> Iterator[int]:
    after = 0
    while events := service.get(f"/calls/{call_id}/events", after=after, limit=AT_ONCE)["events"]:
        yield from (event["seq"] for event in events)
        after = events[-1]["seq"]


def _untold(call_id: str, kept: Head | None, published: Head | None) -> str:
    if published is None:
        return f"{call_id} is not sealed: no observer with SWITCHBOARD_SEAL_KEY has written it"
    same = (
        " is the one that was kept"
        if kept == published
        else f" is {published[0]}:{published[1]}; keep it elsewhere"
    )
    return f"The published head of {call_id}{same}; no event is missing; {NOT_WALKED}."
