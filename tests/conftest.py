"""What all rooms' tests share: the running programs. The cast: Ada calls, Otto observes, Vera may not look."""

from __future__ import annotations

import fcntl
import logging
import random
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator

import pytest
import structlog

from tests.postgres import Cluster
from tests.processes import Emulator, House


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes share the tests out by their ids: of two tests with one id, one would not run, and nobody would
    miss it."""
    ((most, times),) = Counter(item.nodeid for item in items).most_common(1) or [("", 0)]
    if times > 1:
        raise pytest.UsageError(f"{times} tests are named {most}: give each a name of its own")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests run in two processes. While one of them has a browser and its sound, the other one waits: sound can not."""
    folder = item.config.cache.mkdir("turns")
    needs_all = "journeys" in item.path.parts
    with (folder / "next").open("w") as turn, (folder / "machine").open("w") as machine:
        fcntl.flock(turn, fcntl.LOCK_EX)  # whoever waits for the whole machine is not passed by
        fcntl.flock(machine, fcntl.LOCK_EX if needs_all else fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Whoever starts the tests in the background (nohup, a shell's &) has them ignore Ctrl-C, and every process that
    they start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """A web that a test makes configures the logging of its whole process: the next test would inherit it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One PostgreSQL for all tests; each makes a database of its own."""
    cluster = Cluster()
    try:
        cluster.start()
        cluster.make_template()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database with current tables."""
    with postgres.fresh() as url:
        yield url


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


@pytest.fixture
def seed() -> int:
    """A new seed in every run; pytest shows it with a failure."""
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    return seed


@pytest.fixture(params=["sqlite", "postgresql"])
def store_of_house(request: pytest.FixtureRequest) -> dict[str, str]:
    """What `House.build` needs for either store."""
    return {} if request.param == "sqlite" else {"DATABASE_URL": request.getfixturevalue("database")}
