"""Nobody waits for whoever reads the log."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.processes import ROOT

TALKS = """
import logging, os, sys
from realtime import logs
logs.configure("info")
for number in range(20_000):
    logging.getLogger("talk").info("line", extra={"number": number})
os.write(2, b"done")
"""
FORKS = """
import logging, os
from realtime import logs
logs.configure("info")
logging.getLogger("talk").info("parent")
if os.fork() == 0:
    logging.getLogger("talk").info("child")
    logging.shutdown()
    os._exit(0)
os.wait()
"""


def start(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )


def test_a_reader_that_is_stuck_stops_nothing_and_what_was_dropped_is_counted() -> None:
    with start(TALKS) as talking:
        assert talking.stderr is not None and talking.stdout is not None
        assert talking.stderr.read(4) == b"done", "while nobody read a line"
        lines = [json.loads(line) for line in talking.stdout.read().splitlines()]
    numbers = [line["number"] for line in lines if line["event"] == "line"]
    dropped = sum(line["lines"] for line in lines if line["event"] == "log_lines_dropped")
    assert 0 < len(numbers) < 20_000 and numbers == sorted(numbers)
    assert len(numbers) + dropped == 20_000


def test_a_reader_that_is_gone_stops_nothing() -> None:
    with start(TALKS) as talking:
        assert talking.stdout is not None and talking.stderr is not None
        talking.stdout.close()
        assert talking.stderr.read(4) == b"done"
        assert talking.wait(20) in (0, 120)  # 120: Python could not flush its own stdout at the end


def test_a_forked_child_writes_its_lines_too() -> None:
    with start(FORKS) as forking:
        assert forking.stdout is not None
        said = [json.loads(line)["event"] for line in forking.stdout.read().splitlines()]
    assert sorted(said) == ["child", "parent"]
