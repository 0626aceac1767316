"""URLs are built from the operator's address alone, and only a call's id is taken from a Location."""

from __future__ import annotations

import pytest

from realtime import endpoints
from realtime.endpoints import call_id_from_location
from realtime.errors import Misconfigured, UpstreamGarbled

AZURE_ID = "rtc_674c95ac084a4128a91c2fd1f7ff30f4"
OPENAI_ID = "rtc_u0_E4TeWIkEAnw5DOa1vyO18"


@pytest.mark.parametrize("tail", ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/"])
def test_azure_knows_its_urls_from_any_spelling_of_the_endpoint(tail: str) -> None:
    upstream = endpoints.azure("https://res.openai.azure.com" + tail)
    assert upstream.kind == "azure"
    assert upstream.base == "https://res.openai.azure.com/openai/v1"
    assert upstream.client_secrets_url == f"{upstream.base}/realtime/client_secrets"
    assert upstream.calls_url == f"{upstream.base}/realtime/calls?webrtcfilter=on"
    assert upstream.hang_up_url("rtc_a") == f"{upstream.base}/realtime/calls/rtc_a/hangup"
    assert upstream.sideband_url("rtc_a") == "wss://res.openai.azure.com/openai/v1/realtime?call_id=rtc_a"
    assert not upstream.is_loopback


@pytest.mark.parametrize(
    "base", ["https://api.openai.com/v1", "https://api.openai.com", "https://api.openai.com/v1/"]
)
def test_openai_knows_its_urls_and_has_no_filter(base: str) -> None:
    upstream = endpoints.openai(base)
    assert upstream.base == "https://api.openai.com/v1"
    assert upstream.calls_url == "https://api.openai.com/v1/realtime/calls"
    assert upstream.sideband_url("rtc_a") == "wss://api.openai.com/v1/realtime?call_id=rtc_a"


def test_an_id_is_percent_encoded_wherever_it_goes() -> None:
    upstream = endpoints.openai()
    assert upstream.hang_up_url("a/../b?c").endswith("/calls/a%2F..%2Fb%3Fc/hangup")
    assert upstream.sideband_url("a&b=c#d").endswith("?call_id=a%26b%3Dc%23d")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:1", "[::1]:8080", "127.9.9.9"])
def test_plain_http_is_for_loopback(host: str) -> None:
    upstream = endpoints.azure(f"http://{host}")
    assert upstream.is_loopback
    assert upstream.sideband_url("rtc_a").startswith(f"ws://{host}/openai/v1/")


@pytest.mark.parametrize("make", [endpoints.azure, endpoints.openai])
@pytest.mark.parametrize(
    "address",
    [
        "http://res.openai.azure.com",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "ftp://res.openai.azure.com",
        "res.openai.azure.com",
        "https://",
        "https:///v1",
        "https://user:pass@res.example",
        "https://res.example?x=1",
        "https://res.example#x",
        "https://res.example:port",
        "https://res.example:99999",
        "https://res .example",
        "https://res.example/\n",
        "https://[::1",
        "",
    ],
)
def test_an_unfit_address_is_refused_in_one_sentence(make: object, address: str) -> None:
    assert callable(make)
    if address.strip() == "https://res.example/":
        assert make(address).base.startswith("https://res.example/")
        return
    with pytest.raises(Misconfigured) as refused:
        make(address)
    assert "pass" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_resource_is_a_bare_name() -> None:
    assert endpoints.azure_resource("My-Res").base == "https://my-res.openai.azure.com/openai/v1"
    for name in ("", "a.b", "a/b", "a@b", "-a", "ü", "a" * 64):
        with pytest.raises(Misconfigured):
            endpoints.azure_resource(name)


@pytest.mark.parametrize(
    ("location", "call_id"),
    [
        (f"/v1/realtime/calls/{AZURE_ID}", AZURE_ID),
        (f"/v1/realtime/calls/{OPENAI_ID}", OPENAI_ID),
        (f"/openai/v1/realtime/calls/{AZURE_ID}/", AZURE_ID),
        (f"/v1/realtime/calls/calls/{AZURE_ID}?x=1#y", AZURE_ID),
        (f"https://res.openai.azure.com/openai/v1/realtime/calls/{AZURE_ID}", AZURE_ID),
        (f"/v1/realtime?call_id={OPENAI_ID}", OPENAI_ID),
        (f"/v1/realtime/calls/{OPENAI_ID}?call_id={OPENAI_ID}", OPENAI_ID),
        ("rtc_a", "rtc_a"),
        ("rtc_" + "x" * 128, "rtc_" + "x" * 128),
        # Another host, a port, a user: only the id is taken, so it does not matter whose they are.
        ("https://evil.example/rtc_a", "rtc_a"),
        ("//evil.example/rtc_a", "rtc_a"),
        ("https://user:pw@evil.example:99/calls/rtc_a", "rtc_a"),
        ("javascript://x/rtc_a", "rtc_a"),
        ("file:///etc/rtc_a", "rtc_a"),
    ],
)
def test_only_the_id_is_taken_from_a_location(location: str, call_id: str) -> None:
    assert call_id_from_location(location) == call_id


EVIL = [
    "",
    " ",
    "/",
    "//",
    "/v1/realtime/calls",
    "/v1/realtime/calls/",
    "/v1/realtime/calls/rtc_",
    "/v1/realtime/calls/call_abc",
    "/v1/realtime/calls/RTC_abc",
    "/v1/realtime/calls/xrtc_abc",
    "rtc_" + "x" * 129,
    "/calls/rtc_" + "x" * 10_000,
    "/" * 3000 + "rtc_a",
    "/calls/rtc_a\r\nX-Evil: 1",
    "/calls/rtc_a\n",
    "/calls/rtc_a\t",
    "/calls/rtc_a\x00",
    "/calls/rtc_a\x7f",
    "/calls/rtc_a b",
    " /calls/rtc_a",
    "/calls/rtc_a%2f..%2fadmin",
    "/calls/rtc_a%2F",
    "/calls/rtc_%61",
    "/calls/rtc_a%00",
    "/calls/rtc_a/..",
    "/calls/rtc_a/../../admin",
    "/calls/rtc_a/hangup",
    "/calls/rtc_a/..%2fhangup",
    "/calls/rtc_a\\..\\b",
    "/calls/rtc_a@evil.example",
    "/calls/rtc_a:80",
    "/calls/rtc_a&x=1",
    "/calls/rtc_a;x=1",
    "/calls/rtc_a,/calls/rtc_b",
    "/calls/rtc_a, /calls/rtc_b",
    "/calls/rtc_a/rtc_b",
    "/calls/rtc_a?call_id=rtc_b",
    "/v1/realtime?call_id=rtc_a&call_id=rtc_b",
    "/v1/realtime?call_id=",
    "/v1/realtime?call_id=rtc_a%26model=x",
    "/v1/realtime?call_id=rtc_a%2f..",
    "/v1/realtime?call_id=rtc_a+b",
    "/calls/rtc_a?call_id=",
    "/calls/rtc_ä",
    "/calls/rtc_ａ",
    "http://[::1/rtc_a",
    "https://rtc_a",
    "https://rtc_a@evil.example",
    "#rtc_a",
    "?rtc_a",
]


@pytest.mark.parametrize("location", EVIL)
def test_an_evil_location_is_no_call(location: str) -> None:
    with pytest.raises(UpstreamGarbled) as refused:
        call_id_from_location(location)
    assert (refused.value.status, refused.value.code) == (502, "upstream_garbled")


def test_there_are_forty_evil_locations_at_least() -> None:
    assert len(set(EVIL)) >= 40
