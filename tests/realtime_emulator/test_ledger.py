"""The ledger tells what truly happened, and no secret."""

import asyncio
import json
from typing import Any

import requests

from realtime_emulator.ledger import Events, Ledger, Room


def test_it_knows_a_voice_call_from_end_to_end(emulator: Any, caller: Any, voices: dict[str, bytes]) -> None:
    async def talk() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with caller(emulator, says=voices["Hello!"]) as call:
            short = {"call_id": call.call_id, "heard": ["Hello!"], "replies": {"Hello!": "Good day to you."}}
            await emulator.control("POST", "/emulator/script", short, 204)
            await call.wait_for_channel()
            call.channel.send('{"type": "session.update", "event_id": "c1", "session": {"type": "realtime"}}')
            await call.tell({"type": "session.update", "event_id": "s1", "session": {"type": "realtime"}})
            await call.wait_for("output_audio_buffer.stopped")
            return call.events, await emulator.record(call.call_id)

    events, record = asyncio.run(talk())
    told = [(one["type"], one["event_id"]) for one in record["events"] if one["sidebands"]]
    assert told == [(one["type"], one["event_id"]) for one in events]
    assert sorted((one["via"], one["type"], one["event_id"]) for one in record["client_events"]) == [
        ("data_channel", "session.update", "c1"),
        ("sideband", "session.update", "s1"),
    ]
    assert record["audio_in_ms"] > 1000
    assert record["audio_out_ms"] > 500
    assert (record["sidebands"], record["sideband_attaches"]) == (1, 1)


def test_it_counts_open_calls(starter: Any, caller: Any) -> None:
    start, stop = starter
    emulator = start()

    async def open_count() -> int:
        return int((await emulator.control("GET", "/emulator/ledger"))["open_calls"])

    async def walk() -> list[int]:
        counts = [await open_count()]
        async with caller(emulator, connects=False) as call:
            counts.append(await open_count())
            await call.hang_up()
            counts.append(await open_count())
        return counts

    assert asyncio.run(walk()) == [0, 1, 0]
    assert stop(emulator)[0] == 0


def test_it_notes_who_asked_for_what_and_no_secret(emulator: Any, caller: Any) -> None:
    secret = "sk-very-secret"
    url = f"{emulator.base}/v1/realtime/client_secrets"
    token = requests.post(url, headers={"Authorization": f"Bearer {secret}"}, json={}, timeout=5).json()[
        "value"
    ]
    requests.post(url, timeout=5)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    requests.post(
        f"{emulator.base}/openai/v1/realtime/calls?x={secret}", headers=headers, data="v=0", timeout=5
    )
    ledger = requests.get(f"{emulator.base}/emulator/ledger", timeout=5).json()
    assert [(one["path"], one["status"], one["auth"]) for one in ledger["requests"][-3:]] == [
        ("/v1/realtime/client_secrets", 200, "bearer"),
        ("/v1/realtime/client_secrets", 401, "none"),
        ("/openai/v1/realtime/calls", 400, "ephemeral"),
    ]
    written = json.dumps(ledger)
    assert secret not in written
    assert "ek_" not in written


def test_an_offer_that_was_refused_is_no_call(emulator: Any) -> None:
    before = len(requests.get(f"{emulator.base}/emulator/ledger", timeout=5).json()["calls"])
    url = f"{emulator.base}/v1/realtime/calls"
    offer = {"sdp": (None, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n")}
    assert (
        requests.post(url, headers={"Authorization": "Bearer k"}, files=offer, timeout=5).status_code == 400
    )
    assert len(requests.get(f"{emulator.base}/emulator/ledger", timeout=5).json()["calls"]) == before


def test_it_is_well(emulator: Any) -> None:
    assert requests.get(f"{emulator.base}/healthz", timeout=5).json() == {"status": "ok"}


def test_what_finds_no_place_is_counted() -> None:
    room = Room(2)
    events = Events(room)
    for number in range(5):
        events.note("x", f"event_{number}", number, 300, channel=False)
    assert events.as_columns()["event_id"] == ["event_0", "event_1"]
    assert events.as_columns()["sidebands"] == [255, 255]
    assert room.dropped == 3
    room.give_back(2)
    assert room.take()


def test_what_is_forgotten_gives_its_places_back_but_not_what_was_dropped_of_open_calls() -> None:
    ledger = Ledger(lambda: 1.0)
    over, still_open = ledger.open_call("rtc_1", "azure"), ledger.open_call("rtc_2", "azure")
    for record in (over, still_open):
        ledger.note_attached(record)
        ledger.note_client_event(record, "sideband", "session.update", None)
    over.ended_at = 1
    ledger.note_request("GET", "/v1/realtime", 101, "bearer")
    ledger.forget_what_is_over()
    told = ledger.as_json()
    assert [call["id"] for call in told["calls"]] == ["rtc_2"]
    assert told["requests"] == []
    assert set(told["dropped"].values()) == {0}
