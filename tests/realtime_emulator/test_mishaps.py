"""Faults happen when they are asked for by name, as often as was asked, and never otherwise."""

import asyncio
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
