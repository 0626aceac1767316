"""GET /calls/<id>/transcript, and what the call cost."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from call_log import calls
from call_log.store import Store
from tests.player import recorded
from tests.token_service.test_calls import NOW, dial, item, observe


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


def test_it_hands_the_conversation_out_in_three_forms(web: FlaskClient, store: Store) -> None:
    call = dial(store)
    observe(store, call, item("Hello.", "item_1"), item("Anybody there?", "item_2", "item_1"))
    address = f"/calls/{call.call_id}/transcript"

    whole = web.get(address).get_json()
    assert [turn["text"] for turn in whole["turns"]] == ["Hello.", "Anybody there?"]
    assert whole["began_at"] == "2027-01-15T08:00:00.001Z"
    text = web.get(f"{address}?format=text")
    assert text.text == "[00:00.000] Caller: Hello.\n[00:00.001] Caller: Anybody there?\n"
    assert text.headers["Content-Disposition"] == f'attachment; filename="{call.call_id}.txt"'
    captions = web.get(address, headers={"Accept": "text/vtt"})
    assert captions.mimetype == "text/vtt" and captions.text.startswith(
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n"
    )
    assert web.get(f"{address}?format=pdf").get_json()["code"] == "bad_query"
    assert web.get(f"/calls/{calls.new_call_id()}/transcript").get_json()["code"] == "no_such_call"


def test_it_says_what_the_call_cost_by_the_model_that_it_was_dialled_with(
    web: FlaskClient, store: Store
) -> None:
    frames = [frame["event"] for frame in recorded("azure_sideband_text_turn")["frames"]
              if frame["direction"] == "received"]  # fmt: skip
    raw = [json.dumps(frame).encode() for frame in frames]

    def cost_of(underlying: str | None) -> dict[str, object]:
        call_id = calls.new_call_id()
        with store.writing() as db:
            calls.dial(db, call_id=call_id, profile="default", model="our-deployment", caller="ada", upstream="azure",
                       recording="preferred", metadata=None, consent=None, at=NOW, underlying=underlying)  # fmt: skip
            call = calls.answer(db, call_id, upstream_call_id="rtc_1", upstream_request_id=None, at=NOW)
        assert call is not None
        observe(store, call, *raw)
        cost: dict[str, object] = web.get(f"/calls/{call_id}").get_json()["summary"]["cost"]
        return cost

    # 12 text tokens in at $4 and 5 out at $16 for a million each: 48 + 80 millionths of a dollar.
    known = cost_of("gpt-realtime")
    assert (known["usd"], known["unknown"]) == ("0.000128", [])
    unknown = cost_of("gpt-of-tomorrow")
    assert (unknown["usd"], unknown["unknown"]) == (None, ["gpt-of-tomorrow"])
