from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.player import Player
from tests.processes import House

SHORTER = (
    "from observer.__main__ import main; from observer.limits import Limits; "
    "main(Limits(attach_retried=1.0, unobserved_kept=2.0, slow_retry=0.2, never_connected=3.0, late_attach=0.4, "
    "close_after_hang_up=1.0, handshake=1.0, session_longest=2.5))"
)


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    playing = Player()
    yield playing
    playing.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, player: Player) -> Iterator[House]:
    """A house whose upstream is the player, and whose observer waits for less long than the real one."""
    built = House.build(tmp_path_factory.mktemp("played"), player.url)
    built.start_observer("-c", SHORTER)
    built.start_web()
    built.ready()
    yield built
    built.stop()


@pytest.fixture
def web_of_player(tmp_path: Path, player: Player) -> Iterator[House]:
    """No observer yet; its upstream says what a test has it say."""
    built = House.build(tmp_path / "house", player.url)
    built.start_web()
    yield built
    built.stop()


@pytest.fixture
def empty_house(tmp_path: Path, player: Player, store_of_house: dict[str, str]) -> Iterator[House]:
    """A web with no observer yet, over either store."""
    built = House.build(tmp_path / "house", player.url, SWITCHBOARD_SEAL_KEY="5e" * 32, **store_of_house)
    built.start_web()
    yield built
    built.stop()
    built.verify()
