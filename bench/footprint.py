"""`python -m bench.footprint`: how much memory an observer takes for each call that it holds over TLS.

A real observer attaches to N calls at a `wss` upstream in a process of its own, which sends each call a few events of
a conversation and then is silent. The calls' rows are written straight into the call log. RSS is read from /proc:
with no call, and with all of them attached and recorded; the difference is shared out over the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import ipaddress
import json
import multiprocessing
import platform
import ssl
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from call_log import calls
from call_log.store import Store
from tests.player import recorded
from tests.processes import UNWATCHED, House, Process, until

DIALLED_AT_ONCE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate(folder)
        ours, theirs = multiprocessing.Pipe()
        upstream = multiprocessing.Process(target=serve, args=(folder, theirs), daemon=True)
        upstream.start()
        port = ours.recv()
        told = {"LOG_LEVEL": "warning", "SSL_CERT_FILE": str(folder / "certificate.pem")} | UNWATCHED
        house = House.build(folder / "house", f"https://127.0.0.1:{port}", **told)
        observer = house.start_observer()
        try:
            tell(asked.calls, *measure(house, observer, asked.calls))
        finally:
            house.stop()
            upstream.terminate()


def measure(house: House, observer: Process, number: int) -> tuple[int, int]:
    """RSS in KiB, with no call and with all."""
    store = Store(house.environ["DATABASE_URL"])
    settle(observer)
    before = rss(observer)
    for start in range(0, number, DIALLED_AT_ONCE):
        dial(store, range(start, min(start + DIALLED_AT_ONCE, number)))
    until(lambda: attached(store) == number, "the sidebands", 120)
    settle(observer)
    store.close()
    return before, rss(observer)


def dial(store: Store, numbers: range) -> None:
    """Calls that wait for an observer."""
    now = time.time_ns() // 1_000_000
    with store.writing() as db:
        for number in numbers:
            call = calls.dial(
                db, call_id=calls.new_call_id(), profile="default", model="gpt-realtime", caller="bench",
                upstream="azure", recording="preferred", metadata=None, consent=None, at=now,
            )  # fmt: skip
            calls.answer(
                db, call.call_id, upstream_call_id=f"rtc_{number:032x}", upstream_request_id=None, at=now
            )


def attached(store: Store) -> int:
    """How many calls are observed."""
    with store.reading() as db:
        return calls.count_by_state(db).get("observed", 0)


def settle(observer: Process) -> None:
    """Wait until its memory does not change any more."""
    seen = [0, 1_000_000]
    while abs(seen[-1] - seen[-2]) > 64:
        time.sleep(1.5)
        seen.append(rss(observer))


def rss(process: Process) -> int:
    """KiB."""
    status = Path(f"/proc/{process.child.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def tell(number: int, before: int, after: int) -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"no call        {before / 1024:8.1f} MiB")
    print(f"{number} calls {after / 1024:8.1f} MiB")
    print(f"each           {(after - before) / number:8.1f} KiB")


def certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def serve(folder: Path, told: Pipe) -> None:
    """The upstream's process."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(folder, told))


async def _serve(folder: Path, told: Pipe) -> None:
    heard = recorded("azure_sideband_text_turn")["frames"]
    frames = [json.dumps(frame["event"]) for frame in heard if frame["direction"] == "received"]

    async def attend(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        for frame in frames:
            await socket.send_str(frame)
        async for _ in socket:
            pass
        return socket

    async def hang_up(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/openai/v1/realtime", attend)
    app.router.add_post("/openai/v1/realtime/calls/{call_id}/hangup", hang_up)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=2_000).start()
    told.send(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
