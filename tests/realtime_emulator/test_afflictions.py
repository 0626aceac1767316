"""What can go wrong on a sideband, as a client meets it."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
import requests

from realtime_emulator.afflictions import POISONS
from tests.realtime_emulator.quiet import Quiet


@pytest.fixture(scope="module")
def quiet_emulator(starter: Any) -> Iterator[str]:
    start, stop = starter
    running = start("--events-only", "--events-per-second", "100")
    yield running.base
    assert stop(running)[0] == 0


@pytest.fixture
def arm(quiet_emulator: str) -> Iterator[Callable[..., None]]:
    def arm(name: str, **parameters: Any) -> None:
        answer = requests.post(
            f"{quiet_emulator}/emulator/mishaps", json={"name": name, **parameters}, timeout=5
        )
        assert answer.ok, answer.text

    yield arm
    requests.delete(f"{quiet_emulator}/emulator/mishaps", timeout=5)


def on_a_call(base: str, work: Callable[[Quiet], Any]) -> Any:
    """A call that is open and has no sideband yet."""

    async def inside() -> Any:
        async with aiohttp.ClientSession() as http:
            call = Quiet(http, base)
            await call.open()
            return await asyncio.wait_for(work(call), 20)

    return asyncio.run(inside())


def ledger_of(base: str, call: Quiet) -> dict[str, Any]:
    return dict(requests.get(f"{base}/emulator/ledger?call={call.id}", timeout=5).json()["calls"][0])


async def dial(call: Quiet) -> tuple[int, str | None]:
    try:
        await call.attach()
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status, refusal.headers.get("Retry-After") if refusal.headers else None
    return 101, None


def test_the_attach_is_refused_as_told(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def dials(call: Quiet) -> list[tuple[int, str | None]]:
        arm("refuse the attach", status=429, retry_after=7)
        met = [await dial(call)]
        arm("refuse the attach", status=404, times=2)
        return met + [await dial(call) for _ in range(3)]

    assert on_a_call(quiet_emulator, dials) == [(429, "7"), (404, None), (404, None), (101, None)]


def test_a_call_is_hidden_until_its_peer_connects(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def dials(call: Quiet) -> int:
        arm("404 until the peer connects")
        assert await dial(call) == (404, None)
        times = 1
        while (await dial(call))[0] != 101:
            times += 1
        assert ledger_of(quiet_emulator, call)["peer_connected_at"]
        return times

    assert on_a_call(quiet_emulator, dials) >= 1


def test_a_handshake_waits(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def dials(call: Quiet) -> None:
        arm("slow handshake", ms=60_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.attach(), 0.5)
        assert await dial(call) == (101, None)

    on_a_call(quiet_emulator, dials)


@pytest.mark.parametrize(("name", "lives"), [("silent sideband", True), ("half-open sideband", False)])
def test_a_sideband_falls_silent(
    quiet_emulator: str, arm: Callable[..., None], name: str, lives: bool
) -> None:
    async def listen(call: Quiet) -> int:
        arm(name, call_id=call.id)
        await call.attach(autoping=False)
        for answered in range(5):  # the first may still find it well
            await call.socket.ping()
            try:
                message = await asyncio.wait_for(call.socket.receive(), 2)
            except TimeoutError:
                return answered
            assert message.type is aiohttp.WSMsgType.PONG
        return 5

    assert (on_a_call(quiet_emulator, listen) == 5) is lives


def test_events_that_are_big_or_many(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def listen(call: Quiet) -> tuple[int, int]:
        arm("oversize event", call_id=call.id, bytes=1_000_000)
        arm("flood", call_id=call.id, events=500)
        await call.attach()
        big = len(await call.hear())
        return big, len([await call.hear() for _ in range(500)])

    big, many = on_a_call(quiet_emulator, listen)
    assert big > 1_000_000
    assert many == 500


def test_poison_comes_byte_for_byte_and_the_ledger_knows_it(
    quiet_emulator: str, arm: Callable[..., None]
) -> None:
    async def listen(call: Quiet) -> list[Any]:
        arm("poison events", call_id=call.id)
        await call.attach(decode_text=False)
        frames = [(await call.socket.receive()).data for _ in POISONS]
        noted = [one for one in ledger_of(quiet_emulator, call)["events"] if one["type"] == "poison"]
        assert len({one["digest"] for one in noted}) == len(POISONS)
        return frames

    assert on_a_call(quiet_emulator, listen) == [payload for payload, _ in POISONS]


def test_events_come_twice_or_in_another_order(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def listen(call: Quiet) -> list[str]:
        await call.attach()
        await call.hear()
        arm("duplicate events", call_id=call.id)
        arm("events out of order", call_id=call.id)
        return [json.loads(await call.hear())["event_id"] for _ in range(20)]

    heard = on_a_call(quiet_emulator, listen)
    assert len(set(heard)) == len(heard) - 1
    numbers = [int(event_id[-8:], 16) for event_id in heard]
    assert numbers != sorted(numbers)
    assert sorted(set(numbers)) == list(range(min(numbers), max(numbers) + 1))


def test_a_redirect_leads_to_where_the_ledger_sees_it(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def dials(call: Quiet) -> tuple[int, str]:
        arm("refuse the attach", status=307, call_id=call.id)
        url = f"{call.url}?call_id={call.id}"
        answer = await call.http.get(url, headers=call.key, allow_redirects=False)
        return answer.status, answer.headers["Location"].removeprefix("/openai/v1/realtime?").replace(
            call.id, "rtc"
        )

    assert on_a_call(quiet_emulator, dials) == (307, "call_id=rtc&redirected=1")


def test_a_handshake_is_answered_with_another_key(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def dials(call: Quiet) -> None:
        arm("wrong accept key", call_id=call.id)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="Invalid challenge response"):
            await call.attach()
        assert await dial(call) == (101, None)

    on_a_call(quiet_emulator, dials)


def test_a_deaf_sideband_takes_nothing_and_still_speaks(
    quiet_emulator: str, arm: Callable[..., None]
) -> None:
    async def listen(call: Quiet) -> list[str]:
        await call.attach()
        arm("deaf sideband", call_id=call.id)
        with pytest.raises(TimeoutError):  # more than all buffers on the way can hold
            await asyncio.wait_for(call.socket.send_str(" " * 64 * 1024 * 1024), 1)
        heard = [await call.hear() for _ in range(100)]
        await call.hang_up()  # what was not taken would else keep the connection open for ever
        return heard

    assert len(on_a_call(quiet_emulator, listen)) == 100


def test_a_connection_is_reset(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def listen(call: Quiet) -> dict[str, Any]:
        host, _, port = quiet_emulator.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        path = f"/openai/v1/realtime?call_id={call.id}"
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\napi-key: k\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{upgrade}{key}\r\n".encode())
        assert (await reader.readline()).split()[1] == b"101"
        arm("reset the sideband", call_id=call.id)
        with pytest.raises(ConnectionResetError):
            while await reader.read(65536):
                pass
            raise AssertionError("the connection was closed, not reset")
        writer.close()
        return dict(ledger_of(quiet_emulator, call)["attachments"][0])

    attachment = on_a_call(quiet_emulator, listen)
    assert (attachment["by"], attachment["code"]) == ("emulator", 1006)


def test_an_id_is_used_again_for_another_event(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def listen(call: Quiet) -> tuple[list[str], list[dict[str, Any]]]:
        await call.attach()
        arm("events with a used id", call_id=call.id)
        return [await call.hear() for _ in range(20)], ledger_of(quiet_emulator, call)["events"]

    texts, noted = on_a_call(quiet_emulator, listen)
    again = next(text for text in texts if json.loads(text).get("again"))
    first = next(text for text in texts if json.loads(text)["event_id"] == json.loads(again)["event_id"])
    assert first != again
    digest = hashlib.sha256(again.encode()).hexdigest()[:16]
    told = [one.get("digest") for one in noted if one["event_id"] == json.loads(again)["event_id"]]
    assert told == [None, digest]


def test_a_session_ends_at_its_limit_when_told(quiet_emulator: str, arm: Callable[..., None]) -> None:
    async def listen(call: Quiet) -> tuple[dict[str, Any], int | None, str]:
        await call.attach()
        arm("reach the session limit", call_id=call.id)
        error = (await call.hear_type("error"))["error"]
        while not call.socket.closed:
            await call.socket.receive()
        return error, call.socket.close_code, ledger_of(quiet_emulator, call)["ended_by"]

    error, code, by = on_a_call(quiet_emulator, listen)
    assert (error["code"], code, by) == ("session_expired", 1001, "session_limit")


def test_a_server_error_comes_before_the_close_that_follows(
    quiet_emulator: str, arm: Callable[..., None]
) -> None:
    async def listen(call: Quiet) -> tuple[str, int | None]:
        arm("server error after attach", call_id=call.id)
        arm("drop the sideband", call_id=call.id, code=1011)
        await call.attach()
        error = (await call.hear_type("error"))["error"]
        while not call.socket.closed:
            await call.socket.receive()
        return error["type"], call.socket.close_code

    assert on_a_call(quiet_emulator, listen) == ("server_error", 1011)
