from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from call_log import nodes
from call_log.migrations import upgrade
from call_log.store import Store
from token_service import create_app
from token_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = "https://upstream.example"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A call log with one living node in it."""
    url = f"sqlite:///{tmp_path}/calls.db"
    upgrade(url)
    made = Store(url)
    with made.writing() as db:
        nodes.join(db, "node_of_otto", host="here", pid=1, lock_path=tmp_path / "otto.lock", version="0")
    yield made
    made.close()


@pytest.fixture
def app(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application over that call log, with an upstream that nobody answers for."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", UPSTREAM)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key-of-the-tests")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/calls.db")
    monkeypatch.setenv("SWITCHBOARD_OPEN_LOOPBACK", "1")
    monkeypatch.setenv("SWITCHBOARD_PROFILES", str(ROOT / "profiles.toml"))
    return create_app(Settings.load())
