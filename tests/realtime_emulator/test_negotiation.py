"""The HTTP surface: what is refused, with which status and in whose words, and that nothing makes it fall over."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from aiortc import RTCConfiguration, RTCPeerConnection

AZURE, OPENAI = "/openai/v1/realtime", "/v1/realtime"
KEY = {AZURE: {"api-key": "k"}, OPENAI: {"Authorization": "Bearer sk-k"}}
SEED = 20261121


def post(url: str, headers: dict[str, str] | None = None, **body: Any) -> requests.Response:
    return requests.post(url, headers=headers or {}, timeout=5, **body)


def mint(emulator: Any, prefix: str = AZURE, **body: Any) -> requests.Response:
    return post(f"{emulator.base}{prefix}/client_secrets", KEY[prefix], json=body)


def ephemeral(emulator: Any, prefix: str = AZURE) -> dict[str, str]:
    token = mint(emulator, prefix).json()["value"]
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def offer() -> str:
    async def make() -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("audio")
        peer.createDataChannel("x")
        await peer.setLocalDescription(await peer.createOffer())
        await peer.close()
        return str(peer.localDescription.sdp)

    return asyncio.run(make())


@pytest.fixture
def dial(emulator: Any, offer: str) -> Callable[..., str]:
    """Opens a call and returns its id."""

    def open_call(prefix: str = AZURE) -> str:
        return opened(post(f"{emulator.base}{prefix}/calls", ephemeral(emulator, prefix), data=offer))

    return open_call


def opened(answer: requests.Response) -> str:
    """The id of the call that was made."""
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].rpartition("/")[2]


def hang_up(emulator: Any, call_id: str) -> requests.Response:
    return post(f"{emulator.base}{AZURE}/calls/{call_id}/hangup", KEY[AZURE])


@pytest.mark.parametrize(("prefix", "seconds"), [(AZURE, 7200), (OPENAI, 600)])
def test_a_secret_lives_as_long_as_the_vendor_says(emulator: Any, prefix: str, seconds: int) -> None:
    now = int(time.time())
    assert abs(mint(emulator, prefix).json()["expires_at"] - now - seconds) <= 2
    asked = mint(emulator, prefix, expires_after={"anchor": "created_at", "seconds": 60}).json()["expires_at"]
    assert abs(asked - now - 60) <= 2


@pytest.mark.parametrize(("seconds", "status"), [(9, 400), (10, 200), (7200, 200), (7201, 400), ("60", 400)])
def test_a_secrets_life_has_bounds(emulator: Any, seconds: object, status: int) -> None:
    answer = mint(emulator, expires_after={"anchor": "created_at", "seconds": seconds})
    assert answer.status_code == status


@pytest.mark.parametrize("prefix", [AZURE, OPENAI])
@pytest.mark.parametrize(
    "headers", [{}, {"api-key": "wrong"}, {"Authorization": "Bearer wrong"}, {"api-key": ""}]
)
def test_minting_needs_a_durable_credential(emulator: Any, prefix: str, headers: dict[str, str]) -> None:
    answer = post(f"{emulator.base}{prefix}/client_secrets", headers, json={})
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_an_ephemeral_secret_mints_no_other(emulator: Any) -> None:
    assert post(f"{emulator.base}{AZURE}/client_secrets", ephemeral(emulator), json={}).status_code == 401


def test_openai_knows_no_api_key_header(emulator: Any) -> None:
    assert post(f"{emulator.base}{OPENAI}/client_secrets", {"api-key": "k"}, json={}).status_code == 401


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"model": "m"}, "missing_required_parameter", "session.type"),
        ({"type": "realtime", "voice": "marin"}, "unknown_parameter", "session.voice"),
        (
            {"type": "realtime", "output_modalities": ["audio", "text"]},
            "invalid_value",
            "session.output_modalities",
        ),
        (
            {"type": "realtime", "audio": {"output": {"speed": 3}}},
            "invalid_value",
            "session.audio.output.speed",
        ),
        ("a string", "invalid_type", "session"),
    ],
)
def test_a_bad_session_is_refused_by_name(emulator: Any, session: object, code: str, param: str) -> None:
    answer = mint(emulator, session=session)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")


@pytest.mark.parametrize("headers", [{"api-key": "k"}, {"Authorization": "Bearer entra"}, {}])
def test_azure_takes_only_ephemeral_secrets_for_calls(
    emulator: Any, offer: str, headers: dict[str, str]
) -> None:
    answer = post(f"{emulator.base}{AZURE}/calls", {**headers, "Content-Type": "application/sdp"}, data=offer)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "This operation requires ephemeral tokens for authentication"


@pytest.mark.parametrize("prefix", [AZURE, OPENAI])
def test_an_unknown_secret_is_refused(emulator: Any, offer: str, prefix: str) -> None:
    headers = {"Authorization": "Bearer ek_never_minted", "Content-Type": "application/sdp"}
    assert post(f"{emulator.base}{prefix}/calls", headers, data=offer).status_code == 401


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
def test_with_an_ephemeral_secret_only_raw_sdp_is_taken(emulator: Any, offer: str, kind: str) -> None:
    answer = post(f"{emulator.base}{AZURE}/calls", ephemeral(emulator) | {"Content-Type": kind}, data=offer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_content_type")


def test_plain_text_parts_make_a_call_as_a_browsers_form_does(emulator: Any, offer: str) -> None:
    parts = {"sdp": (None, offer), "session": (None, json.dumps({"type": "realtime", "model": "m"}))}
    answer = post(f"{emulator.base}{OPENAI}/calls", KEY[OPENAI], files=parts)
    assert answer.text.startswith("v=0")
    hang_up(emulator, opened(answer))


def test_a_form_without_an_offer_is_refused(emulator: Any) -> None:
    answer = post(f"{emulator.base}{OPENAI}/calls", KEY[OPENAI], files={"session": (None, "{}")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "sdp")


@pytest.mark.parametrize("prefix", [AZURE, OPENAI])
def test_a_hang_up_ends_the_call_once(emulator: Any, dial: Callable[..., str], prefix: str) -> None:
    url = f"{emulator.base}{prefix}/calls/{dial(prefix)}/hangup"
    first, second = post(url, KEY[prefix]), post(url, KEY[prefix])
    assert (first.status_code, first.content) == (200, b"")
    assert (second.status_code, second.json()["error"]["code"]) == (400, "call_id_not_found")


def test_hanging_up_a_call_that_never_was_says_so(emulator: Any) -> None:
    answer = post(f"{emulator.base}{AZURE}/calls/rtc_nobody/hangup", KEY[AZURE])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "call_id_not_found")


def test_hanging_up_needs_a_credential(emulator: Any, dial: Callable[..., str]) -> None:
    call_id = dial()
    assert post(f"{emulator.base}{AZURE}/calls/{call_id}/hangup").status_code == 401
    assert hang_up(emulator, call_id).status_code == 200


def test_a_secret_opens_several_calls(emulator: Any, offer: str) -> None:
    headers = ephemeral(emulator)
    ids = {opened(post(f"{emulator.base}{AZURE}/calls", headers, data=offer)) for _ in range(2)}
    assert len(ids) == 2
    assert [hang_up(emulator, one).status_code for one in ids] == [200, 200]


def garbage(offer: str, chance: random.Random) -> list[bytes]:
    """Bodies that are no offers, and offers that something happened to."""
    lines = offer.splitlines(keepends=True)
    bodies = [
        b"",
        b"v=0",
        b"v=0\r\n",
        b"\0" * 100,
        b"\xff\xfe",
        b"{}",
        b"v=0\r\n" * 500,
        b"v=0\r\nm=audio",
        b"a" * 60_000,
    ]
    for _ in range(40):
        cut = offer.encode()[: chance.randrange(len(offer))]
        bodies.append(cut)
    for _ in range(60):
        torn = list(lines)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(torn))
            key, _, value = torn[place].rstrip().partition(":")
            torn[place] = chance.choice(
                [
                    "",
                    "\r\n",
                    f"{key}\r\n",
                    f"{key}:\r\n",
                    f"{key}:{value[::-1]}\r\n",
                    f"{key}:-1 x\r\n",
                    torn[place] * 2,
                ]
            )
        bodies.append("".join(torn).encode())
    return bodies


@pytest.mark.parametrize("prefix", [AZURE, OPENAI])
def test_no_offer_makes_it_fall_over(emulator: Any, offer: str, prefix: str) -> None:
    headers, refused = ephemeral(emulator, prefix), 0
    for body in garbage(offer, random.Random(f"{SEED}{prefix}")):
        answer = post(f"{emulator.base}{prefix}/calls", headers, data=body)
        assert answer.status_code in (201, 400), (SEED, body)
        if answer.status_code == 400:
            refused += 1
            assert answer.json()["error"]["code"] == "invalid_offer"
        else:
            assert hang_up(emulator, opened(answer)).status_code == 200
    assert refused > 50


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'"x"',
        b"[" * 5000,
        b'{"session":' * 300 + b"1" + b"}" * 300,
        b"NaN",
        b"{}x",
    ],
)
@pytest.mark.parametrize("path", [f"{AZURE}/client_secrets", "/emulator/script", "/emulator/mishaps"])
def test_no_json_makes_it_fall_over(emulator: Any, path: str, body: bytes) -> None:
    answer = post(emulator.base + path, KEY[AZURE], data=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", "multipart/mixed; boundary="]
)
@pytest.mark.parametrize(
    "body", [b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\nv=0\r\n--x--", b"\xff" * 50]
)
def test_no_multipart_makes_it_fall_over(emulator: Any, kind: str, body: bytes) -> None:
    answer = post(f"{emulator.base}{OPENAI}/calls", {**KEY[OPENAI], "Content-Type": kind}, data=body)
    assert answer.status_code == 400, answer.text
    assert "error" in answer.json()


def test_a_body_that_is_too_long_is_refused(emulator: Any) -> None:
    answer = post(f"{emulator.base}{AZURE}/calls", ephemeral(emulator), data=b"v=0" + b" " * 2_000_000)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "413"


@pytest.mark.parametrize("name", ["sessions", "transcription_sessions"])
def test_the_betas_endpoints_are_closed(emulator: Any, name: str) -> None:
    answer = post(f"{emulator.base}{OPENAI}/{name}", KEY[OPENAI], json={"model": "gpt-4o-realtime-preview"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "beta_api_shape_disabled")


@pytest.mark.parametrize(
    "path", ["/openai/v1/realtime/sessions", "/v1/realtime/calls/rtc_x", "/v1/nothing", "/"]
)
def test_an_unknown_path_is_a_404_with_the_envelope(emulator: Any, path: str) -> None:
    answer = requests.get(emulator.base + path, timeout=5)
    assert answer.status_code in (404, 405)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("prefix", [AZURE, OPENAI])
def test_a_browser_of_another_origin_may_call(emulator: Any, prefix: str) -> None:
    asked = {
        "Origin": "http://page.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-openai-agents-sdk",
    }
    answer = requests.options(f"{emulator.base}{prefix}/calls", headers=asked, timeout=5)
    assert answer.status_code == 204
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert allowed == ["authorization", "content-type", "x-openai-agents-sdk", "openai-safety-identifier"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_a_browser_can_read_a_refusal(emulator: Any) -> None:
    answer = post(f"{emulator.base}{AZURE}/calls", {"api-key": "k"}, data="v=0")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_local_candidates_of_the_offer_do_not_slow_the_answer(emulator: Any, offer: str) -> None:
    hidden = "a=candidate:1 1 udp 2113937151 0b1c8f5e-0000-4000-8000-000000000000.local 50000 typ host\r\n"
    lines = [line for line in offer.splitlines(keepends=True) if not line.startswith("a=candidate")]
    place = next(i for i, line in enumerate(lines) if line.startswith("a=ice-ufrag"))
    lines.insert(place, hidden)
    answer = post(f"{emulator.base}{AZURE}/calls", ephemeral(emulator), data="".join(lines))
    hang_up(emulator, opened(answer))
    assert answer.elapsed.total_seconds() < 0.8, "aiortc takes a second to look a .local name up"
