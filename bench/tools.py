"""`python -m bench.tools`: from the moment that the observer hears the model call an empty tool until its output is
with the upstream, the two commits between them included.

The first time is the one in the call's log, the second the one in the emulator's own ledger; both in milliseconds of
this machine's clock.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.figures import milliseconds, tell_machine, tell_spread
from bench.stores import urls
from tests.observer.test_commands import SILENT
from tests.observer.test_tools import Talk
from tests.processes import UNWATCHED, Emulator, House, until

BAR_MS = 30.0
PROFILES = """[default]
model = "gpt-realtime"
transcription = false
[default.tools.empty]
kind = "python"
function = "tests.observer.operators_tools:empty"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument(
        "--store", choices=("sqlite", "postgresql"), nargs="+", default=["sqlite", "postgresql"]
    )
    asked = parser.parse_args()
    tell_machine(f"{asked.count} calls of an empty tool, one after the other")
    with tempfile.TemporaryDirectory() as folder, urls(asked.store) as stores:
        medians = [
            run(Path(folder, kind), kind, url, asked.count)
            for kind, url in zip(asked.store, stores, strict=True)
        ]
    sys.exit(max(medians) > BAR_MS)


def run(folder: Path, kind: str, url: str, count: int) -> float:
    """The median."""
    folder.mkdir()
    file = folder / "profiles.toml"
    file.write_text(PROFILES)
    emulator = Emulator.start(folder, *SILENT, **UNWATCHED)
    settings = {"SWITCHBOARD_PROFILES": str(file), "DATABASE_URL": url, "LOG_LEVEL": "info"}
    house = House.build(folder, emulator.url, **settings, **UNWATCHED).start()
    try:
        took = sorted(measure(house, emulator, count))
    finally:
        house.stop()
        emulator.process.stop()
    tell_spread(f"call of the tool seen → output received upstream, {kind}", took)
    return took[len(took) // 2]


def measure(house: House, emulator: Emulator, count: int) -> list[float]:
    talk = Talk(house, emulator)
    for number in range(1, count + 1):
        talk.ask("Do nothing.", ("empty", {}))
        until(lambda n=number: len(talk.sent("response.create")) == n, "the next response")  # type: ignore[misc]
        next_id = talk.sent("response.create")[-1]["event"]["event_id"]
        house.settled(talk.call_id, next_id, "confirmed")
    seen = {
        item["call_id"]: line["at"]
        for line in house.events(talk.call_id, type="response.done")
        for item in line["event"]["response"]["output"]
        if item["type"] == "function_call"
    }
    received = {one["event_id"]: one["at"] for one in emulator.call(talk.upstream)["client_events"]}
    given = talk.sent("conversation.item.create")
    return [
        received[one["event"]["event_id"]] - milliseconds(seen[one["event"]["item"]["call_id"]])
        for one in given
    ]


if __name__ == "__main__":
    main()
