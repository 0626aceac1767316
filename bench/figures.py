"""Numbers that benches print: of processes, of spreads, of verdicts. Reads /proc, so Linux only."""

from __future__ import annotations

import os
import platform
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from bench.verdict import Verdict

FAULTS_SHOWN = 5
TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a process has used, `at` a time of the monotonic clock."""

    at: float
    cpu_seconds: float
    rss_kib: int
    descriptors: int
    threads: int


def usage(pid: int) -> Usage:
    proc = Path(f"/proc/{pid}")
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line)
    return Usage(
        time.monotonic(),
        (int(fields[11]) + int(fields[12])) / TICKS,
        int(status["VmRSS"].split()[0]),
        len(list((proc / "fd").iterdir())),
        int(status["Threads"]),
    )


def worker_of(master: int) -> int:
    """The one worker of a gunicorn."""
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


def wal_bytes(database_url: str) -> int:
    """The size of a SQLite store's WAL; 0 for other stores."""
    path = Path(database_url.removeprefix("sqlite:///") + "-wal")
    return path.stat().st_size if database_url.startswith("sqlite:") and path.exists() else 0


def milliseconds(moment: str) -> float:
    """UTC, of a moment as the API says it."""
    return datetime.fromisoformat(moment).timestamp() * 1000


def percentile(figures: list[float], share: float) -> float:
    """The smallest figure that so large a share of them does not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def tell_machine(what: str) -> None:
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}: {what}",
        flush=True,
    )


def tell_spread(name: str, figures: list[float], digits: int = 1) -> None:
    if figures:
        spread = {"p50": percentile(figures, 0.50), "p99": percentile(figures, 0.99), "max": max(figures)}
        said = "   ".join(f"{which} {figure:9.{digits}f}" for which, figure in spread.items())
        print(f"{name:26} {said}   ({len(figures)})")


def tell_verdict(verdict: Verdict) -> None:
    print(f"events sent {verdict.sent}, stored {verdict.stored}, late {verdict.late}, calls {verdict.calls}")
    for fault in ("lost", "unmarked gap", "duplicate", "disorder", "orphan", "double owner"):
        print(f"{fault:26} {verdict.count(fault):9}")
        for said in verdict.faults.get(fault, [])[:FAULTS_SHOWN]:
            print(f"    {said}")
    print(f"gaps                       {verdict.gap_ms / 1000:9.1f} s in all")
    for cause, lengths in verdict.gaps.items():
        tell_spread(f"    {cause}, ms", [float(ms) for ms in lengths])
    if verdict.outcome_unknown:
        print(f"intents of unknown outcome {verdict.outcome_unknown:9}")
    tell_spread("take-over in the log, ms", [float(ms) for ms in verdict.takeovers_ms])
