"""Entra ID by azure-identity's own managed identity, against the emulator's endpoint: no key anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.identity import DefaultAzureCredential

from realtime.credential import PATIENCE, Entra
from realtime.errors import CredentialUnavailable
from tests.aiortc_peer import a_real_offer
from tests.player import Attach, Player, Scenario
from tests.processes import Emulator, House

MANAGED = {"AZURE_OPENAI_API_KEY": "", "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of one's own: once it has handed out tokens, it takes no other bearers."""
    running = Emulator.start(tmp_path_factory.mktemp("identity"))
    yield running
    assert running.process.stop() == 0


@pytest.fixture
def fetches(identity: Emulator) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    yield lambda: list(requests.get(f"{identity.url}/emulator/identity", timeout=5).json()["fetches"])
    assert requests.delete(f"{identity.url}/emulator/identity", timeout=5).ok


@pytest.fixture
def entra(identity: Emulator, monkeypatch: pytest.MonkeyPatch) -> Entra:
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.url)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    return Entra(DefaultAzureCredential(require_envvar=True, **PATIENCE), clock=lambda: time.time())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move this process's clock on."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])

    def move(seconds: float) -> None:
        ahead[0] += seconds

    return move


def behave(identity: Emulator, **manners: Any) -> None:
    assert requests.post(f"{identity.url}/emulator/identity", json=manners, timeout=5).ok


def bearer(entra: Entra) -> str:
    return entra.headers()["Authorization"]


def test_a_call_is_opened_observed_and_hung_up_without_any_key(
    identity: Emulator, tmp_path: Path, fetches: Callable[[], list[dict[str, Any]]]
) -> None:
    house = House.build(
        tmp_path / "house", identity.url, AZURE_POD_IDENTITY_AUTHORITY_HOST=identity.url, **MANAGED
    ).start()
    try:
        answer = house.connect(a_real_offer())
        assert answer.status_code == 201, answer.text
        call_id = answer.headers["X-Call-Id"]
        house.observed(call_id)
        house.hang_up(call_id)
        assert house.ended(call_id)["end"] == {"reason": "operator_hung_up", "certainty": "stated"}
        assert len(fetches()) == 2  # the web's and the observer's
        assert {request["auth"] for request in identity.ledger()["requests"]} <= {
            "bearer",
            "ephemeral",
            "none",
        }
    finally:
        house.stop()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_sideband_is_dialled_again_with_another_token(
    identity: Emulator, tmp_path: Path, fetches: Callable[[], list[dict[str, Any]]], status: int
) -> None:
    player = Player()
    house = House.build(
        tmp_path / "house", player.url, AZURE_POD_IDENTITY_AUTHORITY_HOST=identity.url, **MANAGED
    ).start()
    try:
        scenario = player.expect(Scenario([Attach(status), Attach(status), Attach(close=(1000, ""))]))
        house.ended(house.connect(a_real_offer()).headers["X-Call-Id"])
        first, second, third = scenario.identified[:3]
        assert first.startswith("Bearer ") and second.startswith("Bearer ")
        assert first != second == third  # renewed once, however often it is refused
        assert len(fetches()) == 3  # the web's one, the observer's two
    finally:
        house.stop()
        player.close()


def test_fifty_requests_at_once_fetch_one_token(
    entra: Entra, fetches: Callable[[], list[dict[str, Any]]], identity: Emulator
) -> None:
    behave(identity, delay_ms=300)
    with ThreadPoolExecutor(50) as pool:
        tokens = set(pool.map(lambda _: bearer(entra), range(50)))
    assert len(tokens) == 1 and len(fetches()) == 1


def test_a_token_is_refreshed_before_its_end(
    entra: Entra,
    fetches: Callable[[], list[dict[str, Any]]],
    identity: Emulator,
    later: Callable[[float], None],
) -> None:
    behave(identity, expires_in=3600)
    first = bearer(entra)
    later(3000)
    assert bearer(entra) == first and len(fetches()) == 1
    later(400)  # 200 s of its life are left
    assert bearer(entra) != first and len(fetches()) == 2


def test_the_old_token_serves_while_the_endpoint_is_down_and_its_end_is_said_in_a_sentence(
    entra: Entra,
    fetches: Callable[[], list[dict[str, Any]]],
    identity: Emulator,
    later: Callable[[float], None],
) -> None:
    behave(identity, expires_in=3600)
    first = bearer(entra)
    behave(identity, status=500)
    later(3400)
    assert bearer(entra) == first
    assert any(fetch["status"] == 500 for fetch in fetches())
    later(400)
    with pytest.raises(CredentialUnavailable, match="try again") as nothing:
        bearer(entra)
    assert (nothing.value.status, nothing.value.retry_after) == (503, 2)
    behave(identity, status=200)
    later(120)  # MSAL asks nobody for a minute after an endpoint's failure
    assert bearer(entra) != first
