"""`python -m observer`: one node, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog
import uvloop

from call_log.store import SchemaBehind, Store, StoreUnavailable
from observer.allocation import collect_seldom, return_big_blocks
from observer.guardrails import Guardrails
from observer.http_tools import HttpTools
from observer.limits import Limits
from observer.node import Node, NodeLost, WriterDied
from observer.redaction import Redactions
from observer.room import raise_descriptor_limit
from observer.settings import Settings
from realtime import logs
from realtime.client import Client
from realtime.errors import Misconfigured
from realtime.prices import Prices
from realtime.profiles import Profiles

log = structlog.get_logger()

UNSEALED = "set SWITCHBOARD_SEAL_KEY, or a later change of what was recorded cannot be noticed"


def main(limits: Limits | None = None) -> None:
    """Run the node; exits with one sentence where it can't start."""
    try:
        uvloop.run(serve(Settings.load(), limits or Limits()))
    except (Misconfigured, SchemaBehind, StoreUnavailable) as error:
        sys.exit(f"switchboard: {error}")


async def serve(settings: Settings, limits: Limits) -> None:
    """Wire one node and run it until it is told to stop."""
    logs.configure(settings.log_level)
    raise_descriptor_limit()
    return_big_blocks()
    collect_seldom()
    upstream, credential = settings.upstream(), settings.credential()
    prices, profiles = Prices.load(settings.prices), Profiles.load(settings.profiles)
    profiles.require_prices(prices)
    store = Store(settings.database_url, limits.store_patience)
    store.require_current()
    seal, webhook = settings.seal(), settings.webhook()
    http_tools = HttpTools(profiles, settings.tools_secret())
    if seal is None:
        log.warning("events_unsealed", hint=UNSEALED)
    client = Client(upstream, credential)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    redactions, guardrails = Redactions(profiles, limits), Guardrails(profiles, limits)
    node = Node(
        store,
        upstream,
        credential,
        client,
        prices,
        limits,
        redactions,
        profiles,
        http_tools,
        guardrails,
        seal,
        webhook,
    )
    try:
        await node.run(stop)
    except* (NodeLost, WriterDied) as lost:
        log.error(
            "node_lost", reason=type(lost.exceptions[0]).__name__, hint="its calls go to the next observer"
        )
        raise SystemExit(1) from None
    finally:
        await asyncio.gather(redactions.close(), guardrails.close())
        client.close()
        store.close()


if __name__ == "__main__":
    main()
