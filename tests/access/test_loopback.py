import pytest

from access import OPEN_LOOPBACK, from_open_loopback


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_it_lets_this_machines_own_pages_in(peer: str, host: str) -> None:
    own_page = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}

    assert from_open_loopback(peer, {"Host": host}) is OPEN_LOOPBACK
    assert from_open_loopback(peer, own_page) is OPEN_LOOPBACK


@pytest.mark.parametrize("peer", ["192.168.1.7", None, ""])
def test_it_lets_no_other_machine_in(peer: str | None) -> None:
    assert from_open_loopback(peer, {"Host": "localhost"}) is None


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", ""])
def test_it_lets_no_foreign_name_for_this_machine_in(host: str) -> None:
    assert from_open_loopback("127.0.0.1", {"Host": host}) is None


@pytest.mark.parametrize(
    "more",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_it_lets_no_proxy_and_no_foreign_page_in(more: dict[str, str]) -> None:
    assert from_open_loopback("127.0.0.1", {"Host": "localhost:8000", **more}) is None
