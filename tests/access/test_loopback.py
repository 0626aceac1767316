import pytest

from access import OPEN_LOOPBACK, from_open_loopback


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_it_lets_this_machines_own_browser_in(peer: str, host: str) -> None:
    assert from_open_loopback(peer, host, ["Accept", "Host"]) is OPEN_LOOPBACK


@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        ("192.168.1.7", "localhost", []),
        (None, "localhost", []),
        ("", "localhost", []),
        ("127.0.0.1", "evil.example", []),
        ("127.0.0.1", "localhost.evil.example", []),
        ("127.0.0.1", "", []),
        ("127.0.0.1", "localhost", ["X-Forwarded-For"]),
        ("127.0.0.1", "localhost", ["forwarded"]),
    ],
)
def test_it_lets_nobody_else_in(peer: str | None, host: str, headers: list[str]) -> None:
    assert from_open_loopback(peer, host, headers) is None
