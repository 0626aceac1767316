"""`python -m realtime_emulator`: serves until SIGTERM or SIGINT. Prints one line of JSON that says where."""

import argparse
import asyncio
import json
import resource
import secrets
import signal
import sys

import structlog
from aiohttp import web

from realtime_emulator.app import create_app
from realtime_emulator.attending import Manners
from realtime_emulator.control import read_rate
from realtime_emulator.logs import LEVELS, configure_logs
from realtime_emulator.refusals import Mistake
from realtime_emulator.session import SESSION_SECONDS

SHUTDOWN_SECONDS = 1.0

log = structlog.get_logger()


def main() -> None:
    options = _read_options()
    configure_logs(options.log_level)
    _allow_many_sockets()
    options.seed = secrets.randbits(32) if options.seed is None else options.seed
    app = _build(options)  # before there is a loop: loading what makes sound takes a moment
    asyncio.run(_serve(options, app))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="realtime_emulator", description="A GPT Realtime service, offline: HTTP, WebSocket and WebRTC."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address for HTTP (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port for HTTP (default: a free one)")
    parser.add_argument("--media-host", default="127.0.0.1", help="address for WebRTC (default: 127.0.0.1)")
    parser.add_argument(
        "--seed", type=int, default=None, help="repeats names and pauses (default: by chance)"
    )
    _add_manners(parser)
    parser.add_argument(
        "--log-level",
        type=str.lower,
        choices=LEVELS,
        default="info",
        help="lowest level logged (default: info)",
    )
    return parser.parse_args()


def _add_manners(parser: argparse.ArgumentParser) -> None:
    """How it behaves towards its calls."""
    parser.add_argument("--tones", action="store_true", help="speak in tones, even when flite is installed")
    parser.add_argument(
        "--session-created-on-attach",
        action="store_true",
        help="greet each sideband with session.created (the recorded services do not)",
    )
    parser.add_argument(
        "--legacy-item-created",
        action="store_true",
        help="announce each added item as conversation.item.created too (the beta's name, still in the schema)",
    )
    parser.add_argument(
        "--second-sideband",
        choices=("allow", "refuse", "replace"),
        default="allow",
        help="what a second sideband on a call meets (default: allow)",
    )
    parser.add_argument(
        "--events-only",
        action="store_true",
        help="no media: up to 5,000 calls that speak by themselves, and any offer is answered",
    )
    parser.add_argument(
        "--events-per-second",
        type=_read_rate,
        default=1.0,
        metavar="N",
        help="with --events-only, how much each call says (default: 1; 0: nothing)",
    )
    parser.add_argument(
        "--session-seconds",
        type=_read_seconds,
        default=SESSION_SECONDS,
        help=f"how long a session may last (default: {SESSION_SECONDS}, as the services allow)",
    )


def _read_seconds(text: str) -> int:
    seconds = int(text)
    if not 1 <= seconds <= SESSION_SECONDS:
        raise argparse.ArgumentTypeError(f"expected 1 to {SESSION_SECONDS} seconds, got {seconds}")
    return seconds


def _read_rate(text: str) -> float:
    try:
        return read_rate(float(text))
    except Mistake as mistake:
        raise argparse.ArgumentTypeError(mistake.message) from mistake


def _allow_many_sockets() -> None:
    """Each sideband is a descriptor, and the usual 1,024 are soon used up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _build(options: argparse.Namespace) -> web.Application:
    return create_app(
        seed=options.seed,
        media_host=options.media_host,
        manners=Manners(options.second_sideband, greets=options.session_created_on_attach),
        tones=options.tones,
        session_seconds=options.session_seconds,
        legacy_item_created=options.legacy_item_created,
        events_only=options.events_per_second if options.events_only else None,
    )


async def _serve(options: argparse.Namespace, app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        sys.exit(f"realtime_emulator: cannot listen on {options.host}:{options.port}: {error.strerror}")
    port = runner.addresses[0][1]
    ended = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, ended.set)
    sys.stdout.write(json.dumps({"listening": f"http://{options.host}:{port}"}) + "\n")
    sys.stdout.flush()
    log.info("emulator_listening", port=port, seed=options.seed)
    await ended.wait()
    await runner.cleanup()
    log.info("emulator_stopped")


if __name__ == "__main__":
    main()
