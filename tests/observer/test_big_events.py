"""An event may have 16 MiB: one of them at a time is in memory, and what it took goes back to the system."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from observer.limits import Limits
from observer.sideband import BIG_BYTES, FRAMES_WAITING, Sideband
from tests.processes import ROOT

FREED = """
from observer.allocation import return_big_blocks
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def fill():
    block = b"x" * (15 << 20)
if not return_big_blocks():
    raise SystemExit("skip")
before = rss()
for _ in range(3):
    fill()
print(rss() - before)
"""


@pytest.mark.parametrize(("size", "reads_on"), [(BIG_BYTES, True), (BIG_BYTES + 1, False)])
def test_behind_a_big_event_nothing_is_read_until_it_is_done_with(size: int, reads_on: bool) -> None:
    may_go_on = asyncio.Event()

    async def say(peer: ServerConnection) -> None:
        await peer.send(b"x" * size)
        await may_go_on.wait()
        await peer.send(b"small")
        await peer.wait_closed()

    async def listen() -> None:
        async with serve(say, "127.0.0.1", 0, compression=None) as server:
            host, port = next(iter(server.sockets)).getsockname()
            async with connect(f"ws://{host}:{port}", max_queue=FRAMES_WAITING, proxy=None) as connection:
                frames = Sideband(connection, Limits()).frames()
                assert len(await anext(frames)) == size
                read_on = connection.transport.is_reading()
                may_go_on.set()
                assert read_on is reads_on
                assert await anext(frames) == b"small"
                assert connection.transport.is_reading()
                await frames.aclose()

    asyncio.run(listen())


def test_a_big_block_goes_back_when_it_is_freed() -> None:
    ran = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=False)
    if "skip" in ran.stderr:
        pytest.skip("no glibc")
    assert int(ran.stdout) < 4 << 20, ran.stderr
