"""An ephemeral secret is read strictly, since it goes into a header."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime.errors import UpstreamGarbled
from realtime.minted import read_minted


def test_the_recorded_answer_is_read(exchanges: dict[str, list[dict[str, Any]]]) -> None:
    recorded = exchanges["azure_mint_and_call"][0]["response"]["json"]
    minted = read_minted(json.dumps(recorded).encode())
    assert minted.value.reveal() == recorded["value"]
    assert minted.expires_at == 1784873582
    assert minted.session_id == "sess_E51ZOec7cu0PSkJyWYvTW"
    assert recorded["value"] not in repr(minted)


GOOD: dict[str, Any] = {"value": "ek_1", "expires_at": 1784873582}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b"<html>",
        b"[" * 100_000,
        b'{"value": "ek_1"}',
        b'{"value": "ek_1", "expires_at": ' + b"9" * 101 + b"}",
        b'{"value": "ek_1", "expires_at": NaN}',
        b'{"value": "ek_1", "expires_at": 1e999}',
        *(
            json.dumps(GOOD | change).encode()
            for change in (
                {"value": None},
                {"value": ""},
                {"value": 7},
                {"value": ["ek_1"]},
                {"value": "ek_1\r\nX-Evil: 1"},
                {"value": "ek 1"},
                {"value": "ek_ü"},
                {"value": "\ud800"},
                {"value": "e" * 5000},
                {"expires_at": None},
                {"expires_at": True},
                {"expires_at": "1784873582"},
                {"expires_at": 0},
                {"expires_at": -1},
                {"expires_at": 10**100},
            )
        ),
    ],
)
def test_an_unfit_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled) as refused:
        read_minted(body, "request-1")
    assert refused.value.request_id == "request-1"
    assert "ek_" not in str(refused.value)


@pytest.mark.parametrize("session", [None, [], "x", {}, {"id": 7}])
def test_an_odd_session_only_costs_its_id(session: object) -> None:
    assert read_minted(json.dumps(GOOD | {"session": session}).encode()).session_id is None
