"""The WebRTC side of one call: offer in, answer out, a data channel and two tracks. Understands no event."""

import asyncio
import re
from typing import Any, Protocol

import aioice.ice
import aiortc.rtcrtpreceiver
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import (
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamTrack

from realtime_emulator.call import Listener
from realtime_emulator.offers import BROKEN
from realtime_emulator.refusals import OfferRefused

CONSENT_INTERVAL_SECONDS = 0.8
CONSENT_FAILURES = 3
"""A browser that disappears is missed after 3.4 to 4.4 s (each check waits 0.5 s for its answer); aioice's own
5 s and 6 failures take over 30 s."""

PREFETCH_FRAMES = 1
"""aiortc keeps four frames back to put packets in order. On loopback they come in order, and 80 ms are a quarter
of the time in which an interruption has to be noticed."""

_UNANSWERABLE = (*BROKEN, OSError, InternalError, InvalidAccessError, InvalidStateError, OperationError)

_NOBODY_THERE = re.compile("Cannot send (data|encrypted data|encrypted RTP), not connected")
"""How aioice's connection, and aiortc's on top of it, say that their peer is gone."""


class Voice(Protocol):
    """What is heard by the peer, and where it is heard."""

    @property
    def speaker(self) -> MediaStreamTrack: ...

    def listen(self, track: MediaStreamTrack) -> None: ...


def bind_to(host: str) -> None:
    """From now on, gather candidates on `host` only. It holds for the whole process: aioice has no other way.

    aioice never offers a loopback address by itself.
    """
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [host]
    aioice.ice.CONSENT_INTERVAL = CONSENT_INTERVAL_SECONDS  # type: ignore[assignment]
    aioice.ice.CONSENT_FAILURES = CONSENT_FAILURES
    aiortc.rtcrtpreceiver.JitterBuffer = _make_jitter_buffer  # type: ignore[assignment, attr-defined]


def _make_jitter_buffer(capacity: int, prefetch: int = 0, is_video: bool = False) -> JitterBuffer:
    return JitterBuffer(capacity, min(prefetch, PREFETCH_FRAMES), is_video)


def overlook_the_departed(loop: asyncio.AbstractEventLoop) -> None:
    """aiortc sends in tasks that nobody awaits; one whose peer left meanwhile fails, and no one can do anything about
    it: that the peer has left is told by the connection's state."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if not (isinstance(fault, ConnectionError) and _NOBODY_THERE.fullmatch(str(fault))):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


def _lose(*packet: object) -> None:
    pass


async def _lose_slowly(*packet: object) -> None:
    pass


class Channel:
    """A data channel as a place for events to go. Its label does not matter."""

    def __init__(self, channel: RTCDataChannel) -> None:
        self._channel = channel

    def send(self, text: str) -> bool:
        if self._channel.readyState != "open":
            return False
        self._channel.send(text)
        return True


class Peer:
    def __init__(self, listener: Listener, voice: Voice) -> None:
        self._listener, self._speaker = listener, voice.speaker
        # Without this, aiortc asks a public STUN server, and waits for it.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("track", voice.listen)
        self._connection.on("datachannel", self._open_channel)
        self._connection.on("connectionstatechange", self._follow_state)
        self._connected = False

    async def answer(self, offer: str) -> str:
        """The SDP answer to an offer out of `read_offer`. Raises `OfferRefused`; then the peer must be closed."""
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            if any(one.kind == "audio" for one in self._connection.getTransceivers()):
                self._connection.addTrack(self._speaker)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except _UNANSWERABLE as error:
            raise OfferRefused(str(error)[:200] or type(error).__name__) from error
        return self._connection.localDescription.sdp

    def cut(self) -> None:
        """From now on no packet comes or goes, as when the caller's network is gone: nobody says goodbye."""
        for protocol in self._protocols():
            protocol.datagram_received = _lose
            protocol.send_stun = _lose
            protocol.send_data = _lose_slowly

    async def close(self) -> None:
        await self._connection.close()

    def _protocols(self) -> set[Any]:
        transports = {one.receiver.transport.transport for one in self._connection.getTransceivers()}
        if self._connection.sctp:
            transports.add(self._connection.sctp.transport.transport)
        return {protocol for one in transports for protocol in one._connection._protocols}

    def _open_channel(self, channel: RTCDataChannel) -> None:
        mine = Channel(channel)
        channel.on("message", lambda raw: self._listener.channel_spoke(mine, raw))
        self._listener.channel_opened(mine)

    def _follow_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self._connected:
            self._connected = True
            self._listener.peer_connected()
        # A call whose browser never came stays open: what the vendors do then is not known.
        elif state in ("failed", "closed") and self._connected:
            self._listener.peer_left()
