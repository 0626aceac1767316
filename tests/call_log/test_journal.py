"""The journal: what waits for the store outlives the process that heard it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from call_log import journal
from call_log.events import EventRow
from call_log.journal import Journal, Kept
from tests.processes import ROOT


def row(seq: int, body: bytes = b'{"type":"x"}', number: int = 1) -> EventRow:
    return EventRow(number, seq, 1_795_000_000_000 + seq, "upstream", "a.type", f"event_{seq}", body)


ODD = EventRow(7, 3, 5, "upstream", "half a pair \ud800, a \0", None, b"\xff\x00\xfe not UTF-8")


def test_what_was_appended_is_read_in_order_to_the_byte(tmp_path: Path) -> None:
    kept = [Kept(row(1), 4), Kept(ODD, 4, message_id=9), Kept(row(2, b""), 5)]
    writing = Journal(tmp_path / "j")
    writing.append(kept[:2])
    writing.append(kept[2:])
    assert list(journal.read(tmp_path / "j")) == kept


def test_a_cleared_journal_leaves_no_file_and_begins_anew(tmp_path: Path) -> None:
    writing = Journal(tmp_path / "j")
    writing.clear()
    writing.append([Kept(row(1), 1)])
    writing.clear()
    assert not (tmp_path / "j").exists()
    assert list(journal.read(tmp_path / "j")) == []
    writing.append([Kept(row(2), 1)])
    assert [kept.row.seq for kept in journal.read(tmp_path / "j")] == [2]


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "j").append([Kept(row(1), 1)])
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [1, 7, 8, 20, -1])
def test_a_row_that_was_not_wholly_written_is_not_read_and_hides_nothing_before_it(
    tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "j"
    Journal(path).append([Kept(row(1), 1)])
    first = path.stat().st_size
    Journal(path).append([Kept(row(2), 1)])
    os.truncate(path, first + cut if cut > 0 else path.stat().st_size + cut)
    assert [kept.row.seq for kept in journal.read(path)] == [1]


def test_a_flipped_byte_ends_the_reading_there(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path).append([Kept(row(seq), 1) for seq in (1, 2, 3)])
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert [kept.row.seq for kept in journal.read(path)] == [1]


def test_a_full_disk_leaves_whole_rows_only(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow beyond 4 KiB."""
    script = f"""
import resource, signal
from pathlib import Path
from call_log.journal import Journal, Kept
from tests.call_log.test_journal import row
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))
writing = Journal(Path({str(tmp_path / "j")!r}))
written = 0
try:
    while True:
        writing.append([Kept(row(written + 1, b"x" * 500), 1)])
        written += 1
except OSError:
    print(written)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert int(ran.stdout) > 2
    assert len(list(journal.read(tmp_path / "j"))) == int(ran.stdout)
