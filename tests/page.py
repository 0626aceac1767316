"""A page's end of a call without a browser: a real peer with a data channel, on which a test says what it likes."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.processes import House, until

PATIENCE_SECONDS = 20.0


class Page:
    """Use it as `with`; the call is observed and its channel open when the block begins."""

    def __init__(self, house: House, profile: str) -> None:
        self._house, self._profile = house, profile
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="page", daemon=True)
        self.heard: list[dict[str, Any]] = []
        self.call_id = ""

    def __enter__(self) -> Self:
        self._thread.start()
        offer = self._run(self._offer())
        answer = self._house.connect(offer, profile=self._profile)
        assert answer.status_code == 201, answer.text
        self.call_id = answer.headers["X-Call-Id"]
        self._run(self._peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer")))
        until(lambda: self._channel.readyState == "open", "the data channel")
        self._house.observed(self.call_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._house.hang_up(self.call_id)
        self._run(self._peer.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def send(self, type: str, **members: Any) -> None:
        """Say something on the data channel."""
        text = json.dumps({"type": type, **members})
        self._loop.call_soon_threadsafe(self._channel.send, text)

    def types(self, text: str) -> None:
        """What the talk page does when somebody writes something."""
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self.send("response.create")

    async def _offer(self) -> str:
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._channel = self._peer.createDataChannel("oai-events")
        self._channel.on("message", lambda text: self.heard.append(json.loads(text)))
        self._peer.addTransceiver("audio")
        await self._peer.setLocalDescription(await self._peer.createOffer())
        offer: str = self._peer.localDescription.sdp
        return offer

    def _run(self, work: Any) -> Any:
        asked: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return asked.result(PATIENCE_SECONDS)
