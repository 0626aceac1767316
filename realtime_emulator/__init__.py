"""The upstream, offline: a GPT Realtime service that one can really call, over HTTP, WebSocket and WebRTC.

It imports nothing of the rest of the house, because a witness must not share a notebook with the accused;
it is useful on its own, to anybody who writes a client of the Realtime API.
"""

from realtime_emulator.app import create_app
from realtime_emulator.events import EVENT_TYPES
from realtime_emulator.mishaps import MISHAPS

__all__ = ["EVENT_TYPES", "MISHAPS", "create_app"]
