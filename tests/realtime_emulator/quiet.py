"""A call without media, and a sideband on it: what an observer would see."""

import json
from typing import Any, Self

import aiohttp

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


class Quiet:
    """Use it as `async with`; the call is hung up at the end."""

    def __init__(self, http: aiohttp.ClientSession, base: str, dialect: str = "azure") -> None:
        self.http = http
        self.url = base + ("/openai/v1/realtime" if dialect == "azure" else "/v1/realtime")
        self.key = {"api-key": "k"} if dialect == "azure" else {"Authorization": "Bearer sk-k"}
        self.id = ""

    async def __aenter__(self) -> Self:
        await self.open()
        await self.attach()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.socket.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        await self.http.post(f"{self.url}/calls/{self.id}/hangup", headers=self.key)

    async def open(self) -> None:
        mint = await self.http.post(f"{self.url}/client_secrets", headers=self.key, json={})
        token = (await mint.json())["value"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        answer = await self.http.post(f"{self.url}/calls", headers=headers, data=OFFER)
        assert answer.status == 201, await answer.text()
        self.id = answer.headers["Location"].rpartition("/")[2]

    async def attach(self, **more: Any) -> None:
        self.socket = await self.http.ws_connect(
            f"{self.url}?call_id={self.id}", headers=self.key, max_msg_size=0, **more
        )

    async def hear(self) -> str:
        """The next event's text."""
        message = await self.socket.receive()
        assert message.type == aiohttp.WSMsgType.TEXT, message
        return str(message.data)

    async def hear_until(self, type: str) -> list[str]:
        """Everything up to an event of this type, and that one."""
        texts = []
        while True:
            texts.append(await self.hear())
            if json.loads(texts[-1])["type"] == type:
                return texts

    async def hear_type(self, type: str) -> dict[str, Any]:
        return dict(json.loads((await self.hear_until(type))[-1]))
