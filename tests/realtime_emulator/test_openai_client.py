"""The official `openai` client, unmodified, calls the emulator on both surfaces."""

import asyncio
from typing import Any

import openai
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from openai import AsyncOpenAI, OpenAI

SESSION: Any = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be brief."}


@pytest.fixture
def offer() -> str:
    async def make() -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("audio")
        peer.createDataChannel("oai-events")
        await peer.setLocalDescription(await peer.createOffer())
        sdp = peer.localDescription.sdp
        await peer.close()
        return str(sdp)

    return asyncio.run(make())


@pytest.mark.parametrize("path", ["/openai/v1", "/v1"])
def test_it_mints_and_reads_the_secret(emulator: Any, path: str) -> None:
    with OpenAI(base_url=emulator.base + path, api_key="sk-k") as client:
        minted = client.realtime.client_secrets.create(
            session=SESSION, expires_after={"anchor": "created_at", "seconds": 60}
        )
    assert minted.value.startswith("ek_")
    assert minted.session.type == "realtime"
    assert minted.session.instructions == "Be brief."


def test_it_calls_updates_and_hangs_up(emulator: Any, offer: str) -> None:
    async def walk() -> list[Any]:
        async with AsyncOpenAI(base_url=emulator.base + "/v1", api_key="sk-k") as client:
            made = await client.realtime.calls.create(sdp=offer, session=SESSION)
            assert made.text.startswith("v=0")
            call_id = made.response.headers["Location"].rpartition("/")[2]
            events = await _converse(client, call_id)
            await client.realtime.calls.hangup(call_id)
            with pytest.raises(openai.BadRequestError) as again:
                await client.realtime.calls.hangup(call_id)
            assert again.value.code == "call_id_not_found"
            return events

    events = asyncio.run(walk())
    assert [type(event).__name__ for event in events[:1]] == ["SessionUpdatedEvent"]
    assert events[0].session.instructions == "Answer in two words."
    assert events[-1].response.output[0].content[0].text


def test_it_attaches_to_a_call_on_azure(emulator: Any, offer: str) -> None:
    async def walk() -> list[Any]:
        async with AsyncOpenAI(base_url=emulator.base + "/openai/v1", api_key="entra-token") as client:
            minted = await client.realtime.client_secrets.create(session=SESSION)
            ephemeral = client.with_options(api_key=minted.value)
            made = await ephemeral.post(
                "/realtime/calls?webrtcfilter=on",
                content=offer.encode(),
                cast_to=openai._legacy_response.HttpxBinaryResponseContent,
                options={"headers": {"Content-Type": "application/sdp", "Accept": "application/sdp"}},
            )
            call_id = made.response.headers["Location"].rpartition("/")[2]
            events = await _converse(client, call_id)
            await client.realtime.calls.hangup(call_id)
            return events

    assert asyncio.run(walk())[0].session.id.startswith("sess_")


def test_it_is_told_what_azure_tells_when_it_uses_its_key_on_calls(emulator: Any, offer: str) -> None:
    with (
        OpenAI(base_url=emulator.base + "/openai/v1", api_key="entra-token", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match="requires ephemeral tokens"),
    ):
        client.realtime.calls.create(sdp=offer, session=SESSION)


async def _converse(client: AsyncOpenAI, call_id: str) -> list[Any]:
    """No session.created comes on attach, as recorded, and the client does not miss it."""
    async with client.realtime.connect(call_id=call_id) as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "Answer in two words.",
                "output_modalities": ["text"],
            }
        )
        await connection.response.create()
        events = []
        async for event in connection:
            events.append(event)
            if event.type == "response.done":
                return events
    return events
