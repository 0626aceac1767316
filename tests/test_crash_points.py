"""Real processes are killed with SIGKILL at each named point of a call's walk, and everything that was promised holds,
and the seals fit. Each point once; `python -m bench.crashes` does it many times, on either store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from bench.field import put_up
from tests.crash_points import POINTS
from tests.crash_scenes import RATE, SETTINGS, Crash
from tests.postgres import Cluster

ON_POSTGRESQL = [
    "the outcome is not committed",
    "rows are not committed",
    "spilled",
    "the dead's journal is not committed",
    "the adoption is not committed",
]
"""Where the store's own way of failing matters."""


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    folder = tmp_path_factory.mktemp("crashes")
    with put_up(folder, rate=RATE, observers=0, **SETTINGS) as field:
        crash = Crash(field)
        yield crash
        crash.verify()


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Crash]:
    folder = tmp_path_factory.mktemp("crashes")
    database = postgres.make_database()
    url = postgres.url(database)
    with put_up(folder, rate=RATE, observers=0, database_url=url, **SETTINGS) as field:
        crash = Crash(field, postgres)
        yield crash
        crash.verify()
    postgres.drop(database)
    shutil.rmtree(field.house.locks)


@pytest.mark.parametrize("name", POINTS)
def test_a_process_may_die_at_any_point(on_sqlite: Crash, name: str) -> None:
    assert on_sqlite.at(name) == {}


@pytest.mark.parametrize("name", ON_POSTGRESQL)
def test_a_process_may_die_on_postgresql(on_postgresql: Crash, name: str) -> None:
    assert on_postgresql.at(name) == {}
