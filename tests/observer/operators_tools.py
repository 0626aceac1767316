"""Tools as an operator would write them. Each run leaves a line in the ledger, so that wrong ones can be counted."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from realtime.tool_context import Context


def ledger(name: str, **facts: Any) -> None:
    """One line, written at once: whoever is killed a moment later has run."""
    line = json.dumps({"name": name, **facts}) + "\n"
    with Path(os.environ["HOME"], "ledger").open("a") as file:
        file.write(line)


def weather(city: Annotated[str, Meta(max_length=40)], unit: Literal["c", "f"] = "c") -> dict[str, object]:
    """The weather of a city.

    Of today, that is.
    """
    ledger("weather", city=city)
    return {"city": city, "degrees": 11, "unit": unit}


def order(order_id: int, context: Context) -> str:
    """The state of one of the caller's own orders."""
    if context.caller != context.metadata.get("owner", "loopback"):
        raise PermissionError("not yours")
    ledger("order", order_id=order_id, caller=context.caller)
    return f"Order {order_id} of {context.caller} is on its way."


def refund(order_id: int) -> str:
    """Give money back."""
    ledger("refund", order_id=order_id)
    return "refunded"


def hang() -> str:
    """Never answers."""
    ledger("hang")
    threading.Event().wait()
    return "never"


def hang_on() -> str:
    """Never answers either, and is waited for."""
    ledger("hang_on")
    threading.Event().wait()
    return "never"


def fail() -> str:
    """Raises."""
    raise LookupError("with words of the caller")


def leave() -> str:
    """Wants the process to end."""
    raise SystemExit(3)


def flood() -> str:
    """Answers five megabytes."""
    return "x" * 5_000_000


def binary() -> bytes:
    """Answers what is no text."""
    return b"\xff\x00"


def odd() -> object:
    """Answers what JSON can't say."""
    return {"a": float("nan")}


def empty() -> str:
    """Does nothing."""
    return ""
