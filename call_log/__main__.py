"""`python -m call_log upgrade` brings the tables up to date, `check` says whether they are; `verify` walks the
seals of all calls, or of those that are named, and names the first break of each. `backup` copies the call log to a
file while it is in use, `restore` puts that copy back where no call log is."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from call_log import backup, migrations, revisions, verify
from call_log.backup import CannotCopy
from call_log.errors import SchemaBehind, StoreUnavailable
from call_log.seal import BadKey, Seal
from call_log.store import Store, database_at
from call_log.verify import Verdict

DEFAULT_URL = "sqlite:///var/switchboard.db"
SEAL_KEY = "SWITCHBOARD_SEAL_KEY"
NO_KEY = f"{SEAL_KEY} is not set; give it the key with which the calls were sealed."


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 with a sentence on stderr or with breaks found."""
    asked = _parser().parse_args(arguments)
    url = os.environ.get("DATABASE_URL") or DEFAULT_URL
    try:
        if asked.command == "verify":
            return _verify(url, asked.calls, asked.head)
        said = _SIMPLE[asked.command](url, asked)
    except (SchemaBehind, StoreUnavailable, BadKey, CannotCopy) as fault:
        sys.stderr.write(f"call_log: {fault}\n")
        return 1
    sys.stdout.write(f"call_log: {said}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m call_log", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="bring the tables up to date")
    commands.add_parser("check", help="say whether they are, and whether the file is sound")
    for name, meaning in (("backup", "copy the call log to a new file"), ("restore", "put such a copy back")):
        commands.add_parser(name, help=meaning).add_argument("path", type=Path, metavar="PATH")
    verifying = commands.add_parser("verify", help="walk the seals and name what does not fit")
    verifying.add_argument("calls", nargs="*", metavar="CALL_ID")
    verifying.add_argument(
        "--head", type=_head, metavar="SEQ:HEX", help="a head of the one call, as it was published earlier"
    )
    return parser


def _head(text: str) -> tuple[int, bytes]:
    seq, _, link = text.partition(":")
    try:
        return int(seq), bytes.fromhex(link)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "write SEQ:HEX, such as 17:00112233445566778899aabbccddeeff"
        ) from None


def _upgrade(url: str, _: argparse.Namespace) -> str:
    steps = migrations.upgrade(url)
    return (
        f"took {len(steps)} step(s): {'; '.join(steps)}"
        if steps
        else "nothing to do, the tables are up to date"
    )


def _check(url: str, _: argparse.Namespace) -> str:
    database = database_at(url)
    is_ahead = revisions.require_current(database)
    migrations.require_sound(database)
    if is_ahead:
        return "the tables are those of a later version of Switchboard, which added to them; this one can use them"
    return "the tables are up to date, and nothing is damaged as far as can be seen from here"


def _backup(url: str, asked: argparse.Namespace) -> str:
    backup.backup(url, asked.path)
    return f"wrote {asked.path}, which only this user may read"


def _restore(url: str, asked: argparse.Namespace) -> str:
    backup.restore(url, asked.path)
    return f"restored {asked.path}; what was erased since it was made must be erased again"


_SIMPLE = {"upgrade": _upgrade, "check": _check, "backup": _backup, "restore": _restore}


def _verify(url: str, call_ids: list[str], head: tuple[int, bytes] | None) -> int:
    if head is not None and len(call_ids) != 1:
        raise BadKey("--head is the head of one call; name that call.")
    if not os.environ.get(SEAL_KEY):
        raise BadKey(NO_KEY)
    seal, store = Seal.of(os.environ[SEAL_KEY]), Store(url)
    try:
        store.require_current()
        return _tell(_verdicts(store, seal, call_ids, head))
    finally:
        store.close()


def _verdicts(
    store: Store, seal: Seal, call_ids: list[str], head: tuple[int, bytes] | None
) -> Iterator[Verdict]:
    if not call_ids:
        yield from verify.every(store, seal)
    for call_id in call_ids:
        unknown = Verdict(call_id, 0, erased=False, broken_at=0, why="no call has this id")
        yield verify.one(store, seal, call_id, head) or unknown


def _tell(verdicts: Iterator[Verdict]) -> int:
    fitting = broken = erased = events = 0
    for verdict in verdicts:
        events, erased = events + verdict.events, erased + verdict.erased
        if verdict.broken_at is None:
            fitting += 1
        else:
            broken += 1
            sys.stdout.write(f"{verdict.call_id} seq {verdict.broken_at}: {verdict.why}\n")
    sys.stdout.write(
        f"call_log: {fitting} call(s) fit, {broken} do not; {erased} of them erased; {events} event(s) read\n"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
