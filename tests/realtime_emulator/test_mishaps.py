"""Faults happen when they are asked for by name, as often as was asked, and never otherwise."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
import requests

from realtime_emulator.mishaps import MISHAPS, PARAMETERS, Mishaps
from realtime_emulator.refusals import Mistake


@pytest.fixture
def mishaps(emulator: Any) -> Any:
    yield f"{emulator.base}/emulator/mishaps"
    requests.delete(f"{emulator.base}/emulator/mishaps", timeout=5)


def test_the_list_says_what_each_does_and_what_is_armed(mishaps: str) -> None:
    listed = requests.get(mishaps, timeout=5).json()
    assert {one["name"]: one["does"] for one in listed["mishaps"]} == MISHAPS
    assert listed["armed"] == []
    armed = requests.post(mishaps, json={"name": "404 on attach", "ms": 500}, timeout=5).json()["armed"]
    assert armed == [{"name": "404 on attach", "ms": 500}]
    assert requests.delete(mishaps, timeout=5).json()["armed"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "rain"},
        {"name": ["404 on attach"]},
        {"name": "404 on attach", "times": 1},
        {"name": "404 on attach", "ms": -1},
        {"name": "404 on attach", "ms": "500"},
        {"name": "refuse the offer", "status": 200},
        {"name": "refuse the offer", "times": True},
        {"name": "refuse the offer", "call_id": "rtc_x"},
        {"name": "drop the sideband", "code": 999},
        {"name": "drop the sideband", "call_id": 1},
    ],
)
def test_what_cannot_be_armed_is_refused(mishaps: str, body: dict[str, Any]) -> None:
    assert requests.post(mishaps, json=body, timeout=5).status_code == 400
    assert requests.get(mishaps, timeout=5).json()["armed"] == []


def test_each_has_a_sentence_and_its_parameters() -> None:
    assert set(MISHAPS) == set(PARAMETERS)
    assert all(sentence.endswith(".") for sentence in MISHAPS.values())


def test_a_fault_is_used_up() -> None:
    mishaps = Mishaps()
    mishaps.arm({"name": "refuse the offer", "times": 2})
    assert [mishaps.take("refuse the offer") is not None for _ in range(3)] == [True, True, False]


def test_a_fault_of_one_call_is_no_other_calls() -> None:
    mishaps = Mishaps()
    mishaps.arm({"name": "fail the response", "call_id": "rtc_a"})
    assert mishaps.take("fail the response", "rtc_b") is None
    assert mishaps.take("fail the response", "rtc_a") is not None


def test_what_is_armed_for_one_call_beats_what_is_armed_for_all_and_goes_with_it() -> None:
    mishaps = Mishaps()
    mishaps.arm({"name": "hang up by itself", "ms": 1})
    mishaps.arm({"name": "hang up by itself", "ms": 2, "call_id": "rtc_a"})
    assert mishaps.look("hang up by itself", "rtc_a") == {"times": 1, "ms": 2}
    mishaps.forget("rtc_a")
    assert mishaps.look("hang up by itself", "rtc_a") == {"times": 1, "ms": 1}


def test_a_name_that_is_no_text_is_a_mistake() -> None:
    with pytest.raises(Mistake):
        Mishaps().arm({"name": {}})


@pytest.mark.parametrize(("status", "code"), [(400, "invalid_offer"), (429, "429"), (503, "503")])
def test_offers_are_refused_as_often_as_was_asked(
    emulator: Any, mishaps: str, caller: Any, status: int, code: str
) -> None:
    requests.post(mishaps, json={"name": "refuse the offer", "times": 1, "status": status}, timeout=5)

    async def dial() -> None:
        refused = caller(emulator, connects=False)
        with pytest.raises(AssertionError, match=f'"code": "{code}"'):
            await refused.__aenter__()
        await refused.http.close()
        await refused.pc.close()
        async with caller(emulator, connects=False) as call:
            assert call.call_id

    asyncio.run(dial())


def test_a_sideband_is_not_found_for_the_time_that_was_asked(
    emulator: Any, mishaps: str, caller: Any
) -> None:
    async def dial() -> tuple[int, float]:
        async with caller(emulator, connects=False) as call:
            await emulator.control("POST", "/emulator/mishaps", {"name": "404 on attach", "ms": 1000}, 200)
            began, refusals = asyncio.get_running_loop().time(), 0
            while True:
                try:
                    again = await call.http.ws_connect(f"{call.url}?call_id={call.call_id}", headers=call.key)
                except aiohttp.WSServerHandshakeError as error:
                    assert error.status == 404
                    refusals += 1
                    await asyncio.sleep(0.02)
                else:
                    await again.close()
                    return refusals, asyncio.get_running_loop().time() - began

    refusals, seconds = asyncio.run(dial())
    assert refusals > 3
    assert 0.4 < seconds < 3


async def arm(emulator: Any, name: str, **parameters: Any) -> None:
    await emulator.control("POST", "/emulator/mishaps", {"name": name, **parameters}, 200)


@pytest.mark.parametrize("code", [1011, 4000])
def test_an_attached_sideband_is_dropped_at_once_and_the_call_goes_on(
    emulator: Any, mishaps: str, caller: Any, code: int
) -> None:
    async def drop() -> tuple[int | None, Any, list[Any]]:
        async with caller(emulator, connects=False) as call:
            await arm(emulator, "drop the sideband", code=code, call_id=call.call_id)
            await call.until(lambda: call.close_code is not None, "the close")
            dropped = call.close_code
            await call.attach()
            await call.tell({"type": "session.update", "session": {"type": "realtime"}})
            await call.wait_for("session.updated")
            armed = (await emulator.control("GET", "/emulator/mishaps"))["armed"]
            return dropped, (await emulator.record(call.call_id))["ended_at"], armed

    assert asyncio.run(drop()) == (code, None, [])


def test_the_next_sideband_is_cut_off_without_a_close_frame(emulator: Any, mishaps: str, caller: Any) -> None:
    requests.post(mishaps, json={"name": "drop the sideband", "code": 1006, "ms": 50}, timeout=5)

    async def drop() -> tuple[int | None, str]:
        async with caller(emulator, connects=False) as call:
            await call.until(lambda: call.close_code is not None, "the close")
            await arm(emulator, "drop the sideband", code=1006, ms=50)
            second = await call.http.ws_connect(f"{call.url}?call_id={call.call_id}", headers=call.key)
            return call.close_code, (await second.receive()).type.name

    code, last = asyncio.run(drop())
    assert code == 1006
    assert last != "CLOSE"


def test_a_server_error_without_a_code_comes_to_the_sideband_alone(
    emulator: Any, mishaps: str, caller: Any
) -> None:
    requests.post(mishaps, json={"name": "server error after attach"}, timeout=5)

    async def attach() -> tuple[dict[str, Any], str]:
        async with caller(emulator, connects=False) as call:
            error = (await call.wait_for("error"))["error"]
            await call.tell({"type": "session.update", "session": {"type": "realtime"}})
            return error, (await call.wait_for("session.updated"))["session"]["id"]

    error, session_id = asyncio.run(attach())
    assert session_id in error.pop("message")
    assert error == {"type": "server_error", "code": None, "param": None, "event_id": None}


def test_the_service_hangs_up_by_itself(emulator: Any, mishaps: str, caller: Any) -> None:
    requests.post(mishaps, json={"name": "hang up by itself", "ms": 300}, timeout=5)

    async def wait() -> tuple[int | None, dict[str, Any]]:
        async with caller(emulator) as call:
            await call.until(lambda: call.close_code is not None, "the close")
            await call.until(lambda: call.pc.connectionState == "closed", "the peer's end")
            return call.close_code, await emulator.record(call.call_id)

    code, record = asyncio.run(wait())
    assert code == 1000
    assert record["ended_by"] == "upstream"
    assert 250 < record["ended_at"] - record["answered_at"] < 2000


def test_a_call_whose_network_is_cut_ends_only_when_its_packets_are_missed(
    emulator: Any, mishaps: str, caller: Any
) -> None:
    async def cut() -> tuple[float, str, int]:
        async with caller(emulator) as call:
            await call.wait_for_channel()
            await call.until(lambda: len(call.heard) > 5)
            await arm(emulator, "cut the network of a call", call_id=call.call_id)
            began, heard = time.monotonic(), len(call.heard)
            await call.until(lambda: call.close_code is not None, "the sideband's close")
            more = len(call.heard) - heard
            return time.monotonic() - began, (await emulator.record(call.call_id))["ended_by"], more

    seconds, by, more = asyncio.run(cut())
    assert by == "peer"
    assert 1 < seconds < 5.5
    assert more < 10, "sound still came through"


@pytest.mark.parametrize(("name", "least"), [("slow mint", 0.3), ("slow offer", 0.3)])
def test_the_service_is_as_slow_as_was_asked(
    emulator: Any, mishaps: str, caller: Any, name: str, least: float
) -> None:
    requests.post(mishaps, json={"name": name, "ms": 300}, timeout=5)

    async def dial() -> float:
        began = time.monotonic()
        async with caller(emulator, connects=False):
            return time.monotonic() - began

    assert asyncio.run(dial()) >= least


def test_a_slow_offer_makes_its_call_though_the_client_has_gone(
    emulator: Any, mishaps: str, caller: Any
) -> None:
    class Impatient(caller):  # type: ignore[misc]
        async def negotiate(self, offer: str) -> str:
            before = len((await emulator.control("GET", "/emulator/ledger"))["calls"])
            mint = await self.http.post(f"{self.url}/client_secrets", headers=self.key, json={})
            token = (await mint.json())["value"]
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
            with pytest.raises(TimeoutError):
                await self.http.post(
                    f"{self.url}/calls", headers=headers, data=offer, timeout=aiohttp.ClientTimeout(0.1)
                )
            deadline = time.monotonic() + 5
            while len(calls := (await emulator.control("GET", "/emulator/ledger"))["calls"]) == before:
                assert time.monotonic() < deadline, "the call was never made"
            self.call_id = calls[-1]["id"]
            return ""

    requests.post(mishaps, json={"name": "slow offer", "ms": 400}, timeout=5)

    async def dial() -> Any:
        async with Impatient(emulator, connects=False) as call:
            return (await emulator.record(call.call_id))["ended_at"]

    assert asyncio.run(dial()) is None


def test_a_transcription_fails_and_the_call_goes_on(
    emulator: Any, mishaps: str, caller: Any, voices: dict[str, bytes]
) -> None:
    session = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}

    async def talk() -> tuple[list[str], dict[str, Any]]:
        async with caller(emulator, says=voices["Hello!"], session=session) as call:
            await arm(emulator, "transcription fails", call_id=call.call_id)
            done = await call.wait_for("response.done")
            return call.types(), done["response"]

    types, response = asyncio.run(talk())
    failed = types.index("conversation.item.input_audio_transcription.failed")
    assert types[failed - 1] == "response.created"
    assert response["status"] == "completed"


def test_a_response_fails_and_the_next_one_does_not(emulator: Any, mishaps: str, caller: Any) -> None:
    requests.post(mishaps, json={"name": "fail the response"}, timeout=5)

    async def talk() -> list[dict[str, Any]]:
        async with caller(emulator, connects=False) as call:
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done")
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done", 2)
            return [event["response"] for event in call.named("response.done")]

    failed, completed = asyncio.run(talk())
    assert (failed["status"], failed["output"]) == ("failed", [])
    assert failed["status_details"]["type"] == "failed"
    assert failed["status_details"]["error"]["type"] == "server_error"
    assert completed["status"] == "completed"
