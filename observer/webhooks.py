"""Tells the operator's webhook what became of calls, out of the outbox, until it is taken or too late.

Every node does this; a delivery is one node's at a time, and a second try of one that was taken has the same id. What
is told are facts and numbers of a call, never a word of it. When to try again is call_log/deliveries.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from call_log import calls, deliveries
from call_log.call import Call
from call_log.deliveries import Delivery
from call_log.store import Connection, Store, StoreUnavailable
from observer.outbound import NotSent, Outbound, signed
from observer.writer import Writer, wall_clock
from realtime.secret import Secret

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.5
AT_ONCE = 8
ANSWER_SECONDS = 10.0
ANSWER_MAX_BYTES = 4 * 1024
TAKEN = range(200, 300)
GONE = 410
"""The receiver does not want this any more, says the Standard Webhooks scheme."""


@dataclass(frozen=True)
class Webhook:
    """Where calls are told of, and with what that is signed."""

    url: str
    secret: Secret
    private: bool


async def deliver(store: Store, writer: Writer, webhook: Webhook) -> None:
    """Look twice a second, for ever; a slow receiver keeps nobody but the webhook waiting."""
    outbound = Outbound(private=webhook.private)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as threads:
        while True:
            with contextlib.suppress(StoreUnavailable):
                while await asyncio.to_thread(_wait, store):
                    await _deliver_some(store, writer, webhook, partial(_send, outbound), threads)
            await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _deliver_some(
    store: Store, writer: Writer, webhook: Webhook, send: Any, threads: ThreadPoolExecutor
) -> None:
    taken = await writer.run(partial(deliveries.take, at=wall_clock(), limit=AT_ONCE))
    loop = asyncio.get_running_loop()

    async def one(delivery: Delivery) -> None:
        call = await asyncio.to_thread(_call, store, delivery)
        status = await loop.run_in_executor(threads, send, webhook, delivery, call)
        await writer.run(partial(_note, delivery=delivery, status=status))

    await asyncio.gather(*(one(delivery) for delivery in taken))


def _note(db: Connection, delivery: Delivery, status: int | None) -> None:
    if status is not None and (status in TAKEN or status == GONE):
        deliveries.done(db, delivery, status=status, at=wall_clock())
    elif not deliveries.failed(db, delivery, status=status, at=wall_clock()):
        log.error("webhook_given_up", event_=delivery.event, tries=delivery.tries, status=status)


def _send(outbound: Outbound, webhook: Webhook, delivery: Delivery, call: Call) -> int | None:
    """The answer's status; None where none came."""
    body = json.dumps(told(delivery, call)).encode()
    headers = signed(webhook.secret, message_id(delivery, call), int(time.time()), body)
    try:
        answer = outbound.post(
            webhook.url, body, headers, seconds=ANSWER_SECONDS, most_bytes=ANSWER_MAX_BYTES
        )
    except NotSent as error:
        log.warning("webhook_unreachable", event_=delivery.event, tries=delivery.tries, reason=str(error))
        return None
    if answer.status not in TAKEN:
        log.warning("webhook_refused", event_=delivery.event, tries=delivery.tries, status=answer.status)
    return answer.status


def message_id(delivery: Delivery, call: Call) -> str:
    """The same at each try of the same, and no other's: by it a receiver knows what it has had."""
    said = f"{call.call_id} {delivery.event} {delivery.subject}".encode()
    return "msg_" + hashlib.sha256(said).hexdigest()[:32]


def told(delivery: Delivery, call: Call) -> dict[str, Any]:
    """The message: `{"type", "timestamp", "data"}`. `timestamp` is when it came about, not when it is sent."""
    data: dict[str, Any] = {
        "call_id": call.call_id,
        "state": call.state,
        "profile": call.profile,
        "model": call.model,
        "caller": call.caller,
        "upstream_call_id": call.upstream_call_id,
        "created_at": _when(call.created_at),
        "answered_at": _when(call.answered_at),
    }
    if delivery.event == "call.ended":
        ended = {"reason": call.end_reason, "certainty": call.end_certainty} if call.end_reason else None
        data |= {"ended_at": _when(call.ended_at), "end": ended, "failure_code": call.failure_code}
        data["summary"] = json.loads(call.summary) if call.summary else None
    elif delivery.event == "call.limit_reached":
        data["limit"] = delivery.subject
    elif delivery.event == "tool.approval_wanted":
        data["function_call_id"] = delivery.subject
    return {"type": delivery.event, "timestamp": _when(delivery.at), "data": data}


def _when(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wait(store: Store) -> bool:
    with store.reading() as db:
        return deliveries.wait(db, at=wall_clock())


def _call(store: Store, delivery: Delivery) -> Call:
    with store.reading() as db:
        return calls.of_number(db, delivery.number)
