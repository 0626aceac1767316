"""A browser's end of a call without a browser: aiortc, for offers that somebody could really answer."""

from __future__ import annotations

import asyncio

from aiortc import RTCConfiguration, RTCPeerConnection


def a_real_offer() -> str:
    """An SDP offer with audio and a data channel, from a peer that is gone by the time it is posted."""

    async def make() -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.createDataChannel("oai-events")
        peer.addTransceiver("audio")
        await peer.setLocalDescription(await peer.createOffer())
        offer: str = peer.localDescription.sdp
        await peer.close()
        return offer

    return asyncio.run(make())
