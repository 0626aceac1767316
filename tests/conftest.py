"""What all rooms' tests share: the running programs. The cast: Ada calls, Otto observes, Vera may not look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Emulator, House


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulator for all tests; whoever arms a mishap disarms it."""
    running = Emulator.start(tmp_path_factory.mktemp("emulator"))
    yield running
    assert running.process.stop() == 0, running.process.said()[-4000:]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[House]:
    """One web and one observer, with the emulator as their upstream."""
    running = House.build(tmp_path_factory.mktemp("house"), emulator.url).start()
    yield running
    running.stop()
