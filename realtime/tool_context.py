"""For whom a tool is run. An operator's function gets it in its parameter `context`, and decides by it what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Context:
    """`caller`: the subject that opened the call, never the model's word for it. `metadata`: what the page gave with
    the offer; empty where it gave none."""

    call_id: str
    caller: str
    profile: str
    metadata: Mapping[str, Any]
