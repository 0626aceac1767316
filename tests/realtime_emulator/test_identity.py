"""Managed identities: azure-identity itself fetches tokens here, and the surface knows which of them are good."""

import time
from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from realtime_emulator.identity import IMDS_PATH

AZURE = "/openai/v1/realtime"
SCOPE = "https://cognitiveservices.azure.com/.default"
IMDS = {"Metadata": "true"}


@pytest.fixture
def control(emulator: Any) -> Any:
    url = f"{emulator.base}/emulator/identity"
    yield url
    requests.delete(url, timeout=5)


@pytest.fixture(params=["imds", "app_service"])
def form(request: pytest.FixtureRequest, emulator: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment in which azure-identity finds this form of the endpoint."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "imds":
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.base)
    else:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{emulator.base}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "a header of the host")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    return str(request.param)


def mint(emulator: Any, bearer: str) -> int:
    url, headers = f"{emulator.base}{AZURE}/client_secrets", {"Authorization": f"Bearer {bearer}"}
    return requests.post(url, headers=headers, json={}, timeout=5).status_code


def fetch(emulator: Any, resource: str = SCOPE.removesuffix("/.default"), **query: str) -> requests.Response:
    query = {"api-version": "2018-02-01", "resource": resource} | query
    return requests.get(emulator.base + IMDS_PATH, params=query, headers=IMDS, timeout=5)


def test_azure_identity_fetches_a_token_that_opens_every_door(emulator: Any, control: str, form: str) -> None:
    with DefaultAzureCredential(require_envvar=True) as credential:
        token = credential.get_token(SCOPE)
        assert credential.get_token(SCOPE).token == token.token, "from its own cache"
    assert 86_000 < token.expires_on - time.time() <= 86_400
    assert mint(emulator, token.token) == 200
    headers = {"Authorization": f"Bearer {token.token}"}
    hang_up = f"{emulator.base}{AZURE}/calls/rtc_nobody/hangup"
    assert requests.post(hang_up, headers=headers, timeout=5).status_code == 400, "known, but no such call"
    sideband = f"{emulator.base}{AZURE}?call_id=rtc_nobody"
    assert requests.get(sideband, headers=headers, timeout=5).status_code == 404
    (fetched,) = requests.get(control, timeout=5).json()["fetches"]
    assert fetched.pop("at") > 1_700_000_000_000
    assert fetched == {
        "form": form,
        "resource": "https://cognitiveservices.azure.com",
        "client_id": None,
        "status": 200,
    }


def test_an_identity_of_the_users_own_is_asked_for_by_its_client_id(
    emulator: Any, control: str, form: str
) -> None:
    with ManagedIdentityCredential(client_id="mine") as credential:
        credential.get_token(SCOPE)
    assert requests.get(control, timeout=5).json()["fetches"][0]["client_id"] == "mine"


@pytest.mark.parametrize("status", [429, 500])
def test_azure_identity_is_refused_as_was_asked(emulator: Any, control: str, form: str, status: int) -> None:
    requests.post(control, json={"status": status}, timeout=5)
    with ManagedIdentityCredential(retry_total=0) as credential, pytest.raises(ClientAuthenticationError):
        credential.get_token(SCOPE)
    assert {one["status"] for one in requests.get(control, timeout=5).json()["fetches"]} == {status}


def test_once_tokens_were_handed_out_no_others_are_accepted(emulator: Any, control: str) -> None:
    assert mint(emulator, "any token of another source") == 200
    good = fetch(emulator).json()["access_token"]
    assert (mint(emulator, good), mint(emulator, "any token of another source")) == (200, 401)
    url = f"{emulator.base}{AZURE}"
    bad = {"Authorization": "Bearer any token of another source"}
    assert requests.get(f"{url}?call_id=rtc_x", headers=bad, timeout=5).status_code == 401
    assert requests.post(f"{url}/calls/rtc_x/hangup", headers=bad, timeout=5).status_code == 401
    assert requests.post(f"{url}/client_secrets", headers={"api-key": "k"}, json={}, timeout=5).ok
    openai = f"{emulator.base}/v1/realtime/client_secrets"
    assert requests.post(openai, headers=bad, json={}, timeout=5).ok, "OpenAI knows no Entra"
    requests.delete(control, timeout=5)
    assert mint(emulator, "any token of another source") == 200


def test_tokens_can_be_revoked(emulator: Any, control: str) -> None:
    old = fetch(emulator).json()["access_token"]
    requests.post(control, json={"tokens_valid_after": int(time.time() * 1000) + 1}, timeout=5)
    while (new := fetch(emulator).json()["access_token"]) and mint(emulator, new) != 200:
        pass
    assert mint(emulator, old) == 401


def test_a_token_for_another_service_is_refused(emulator: Any, control: str) -> None:
    assert mint(emulator, fetch(emulator, "https://vault.azure.net").json()["access_token"]) == 401
    assert mint(emulator, fetch(emulator, "https://ai.azure.com").json()["access_token"]) == 200


def test_it_is_as_slow_as_was_asked(emulator: Any, control: str) -> None:
    requests.post(control, json={"delay_ms": 300}, timeout=5)
    assert fetch(emulator).elapsed.total_seconds() >= 0.3


def test_whoever_does_not_ask_as_azure_wants_gets_nothing(emulator: Any, control: str) -> None:
    url = emulator.base + IMDS_PATH
    assert requests.get(url, params={"resource": "x"}, timeout=5).status_code == 400
    assert requests.get(url, headers=IMDS, timeout=5).status_code == 400
    assert requests.get(f"{emulator.base}/msi/token?resource=x", timeout=5).status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"expires_in": 0}, {"status": "500"}, {"delay_ms": True}, {"token": "x"}, {"status": 99}]
)
def test_manners_that_are_none_are_refused(emulator: Any, control: str, body: dict[str, Any]) -> None:
    before = requests.get(control, timeout=5).json()
    assert requests.post(control, json=body, timeout=5).status_code == 400
    assert requests.get(control, timeout=5).json() == before


def test_a_token_is_good_until_it_expires(emulator: Any, control: str) -> None:
    requests.post(control, json={"expires_in": 1}, timeout=5)
    token = fetch(emulator).json()
    assert token["expires_in"] == "1"
    assert mint(emulator, token["access_token"]) == 200
    deadline = time.monotonic() + 5
    while mint(emulator, token["access_token"]) == 200:
        assert time.monotonic() < deadline
    assert time.time() >= int(token["expires_on"])


def test_no_token_is_shown(emulator: Any, control: str) -> None:
    token = fetch(emulator).json()["access_token"]
    mint(emulator, token)
    shown = (
        requests.get(control, timeout=5).text
        + requests.get(f"{emulator.base}/emulator/ledger", timeout=5).text
    )
    assert token not in shown
