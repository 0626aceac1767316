"""`python -m call_log upgrade` brings the tables up to date; `python -m call_log check` says whether they
are."""

import argparse
import os
import sys

from call_log import migrations
from call_log.errors import SchemaBehind, StoreUnavailable
from call_log.sqlite import File

DEFAULT_URL = "sqlite:///var/switchboard.db"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m call_log", description=__doc__)
    parser.add_argument("command", choices=("upgrade", "check"))
    asked = parser.parse_args(arguments).command
    url = os.environ.get("DATABASE_URL") or DEFAULT_URL
    try:
        said = _upgrade(url) if asked == "upgrade" else _check(url)
    except (SchemaBehind, StoreUnavailable) as fault:
        sys.stderr.write(f"call_log: {fault}\n")
        return 1
    sys.stdout.write(f"call_log: {said}\n")
    return 0


def _upgrade(url: str) -> str:
    steps = migrations.upgrade(url)
    return (
        f"took {len(steps)} step(s): {'; '.join(steps)}"
        if steps
        else "nothing to do, the tables are up to date"
    )


def _check(url: str) -> str:
    migrations.require_current(File.at(url))
    return "the tables are up to date"


if __name__ == "__main__":
    sys.exit(main())
