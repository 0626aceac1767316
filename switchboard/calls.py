"""`switchboard calls`: the call log and the commands, from a terminal.

Knows how each answer is laid out. All it knows of calls it asks the HTTP API for, as a page would.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from switchboard import acts, exports, gist, plain, tail
from switchboard.asking import asks, say_json
from switchboard.service import Service

COLUMNS = ("CALL", "BEGAN (UTC)", "TOOK", "STATE", "PROFILE", "TURNS", "GAP", "USD", "END")
CALL = click.argument("call_id", metavar="CALL")


@click.group("calls")
def calls() -> None:
    """Read calls, and act on those that are going on.

    Commands leave with 0 when what they asked for is confirmed, 1 when it was refused or came too late, 3 when nobody
    can tell, 2 when it could not be asked.
    """


@calls.command("ls")
@click.option("--state")
@click.option("--profile")
@click.option("--caller")
@click.option("--end-reason")
@click.option("--since", help="Created then or later: 2026-11-26T09:00:00Z.")
@click.option("--until", help="Created before then.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor", help="Older than this call.")
@asks
def ls(service: Service, as_json: bool, **filters: Any) -> None:
    """The calls, newest first."""
    page = service.get("/calls", **filters)
    if as_json:
        return say_json(page)
    for line in plain.table(COLUMNS, [_row(call) for call in page["calls"]]):
        click.echo(line)
    if page["next_cursor"]:
        click.echo(f"Older ones: --cursor {page['next_cursor']}", err=True)
    return None


def _row(call: dict[str, Any]) -> list[str]:
    numbers = call["summary"] or {}
    gap, cost = numbers.get("response_gap_ms") or {}, numbers.get("cost") or {}
    return [
        call["id"],
        plain.moment(call["created_at"]),
        plain.duration(call),
        call["state"],
        call["profile"],
        str(numbers.get("turns", "")),
        f"{gap['p50']} ms" if gap else "",
        str(cost.get("usd") or ""),
        plain.ending(call),
    ]


@calls.command("show")
@CALL
@asks
def show(service: Service, call_id: str, as_json: bool) -> None:
    """One call: facts, numbers, commands, and what was said."""
    call = service.get(f"/calls/{call_id}")
    if as_json:
        return say_json(call)
    for line in [*plain.pairs(_facts(call)), "", *plain.pairs(_numbers(call["summary"] or {}))]:
        click.echo(line)
    if call.get("commands"):
        click.echo()
        for line in plain.table(acts.COLUMNS, [acts.row(one) for one in call["commands"]]):
            click.echo(line)
    said = b"".join(service.read(f"/calls/{call_id}/transcript", format="text")).decode(errors="replace")
    click.echo(f"\n{plain.harmless_lines(said)}", nl=False)
    return None


def _facts(call: dict[str, Any]) -> list[tuple[str, object]]:
    wish, seal, erased = call["hang_up"], call["seal"], call["erased"]
    return [
        ("call", call["id"]),
        ("upstream", " ".join(filter(None, [call["upstream"], call["upstream_call_id"]]))),
        ("state", call["state"]),
        ("muted", "the model, by a command" if call.get("muted") else None),
        ("end", plain.ending(call)),
        (
            "hang-up",
            f"wished by {wish['by'] or 'somebody'} at {plain.moment(wish['wished_at'])}" if wish else None,
        ),
        ("caller", call["caller"]),
        ("profile", f"{call['profile']} ({call['model']})"),
        ("recording", call["recording"]),
        ("began", plain.moment(call["answered_at"] or call["created_at"])),
        ("took", plain.duration(call)),
        ("erased", plain.moment(erased["at"]) if erased else None),
        ("seal", f"{seal['seq']}:{seal['head']}" if seal else None),
    ]


def _numbers(summary: dict[str, Any]) -> list[tuple[str, object]]:
    gap, usage, cost = (summary.get(name) or {} for name in ("response_gap_ms", "usage", "cost"))
    tokens = f"{usage.get('input_tokens')} in, {usage.get('output_tokens')} out" if usage else None
    return [
        ("turns", summary.get("turns")),
        ("gap", f"{gap['p50']} ms, worst {gap['worst']} ms" if gap else None),
        ("cut off", summary.get("interruptions")),
        ("tools", summary.get("tool_calls")),
        ("tokens", tokens),
        ("cost", f"{cost['usd']} US dollars (an estimate)" if cost.get("usd") is not None else None),
        ("errors", summary.get("errors")),
    ]


@calls.command("tail")
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=10, show_default=True, help="Of what is there already."
)
@click.option("--deltas", is_flag=True, help="Also what comes many times a second; --json shows it always.")
@CALL
@asks
def tail_command(service: Service, call_id: str, lines: int, deltas: bool, as_json: bool) -> None:
    """Follow a call's events until it is over, or until Ctrl-C."""
    call = service.get(f"/calls/{call_id}")
    began_at = call["answered_at"] or call["created_at"]
    with suppress(KeyboardInterrupt):
        for event in tail.follow(service, call_id, max(0, call["last_seq"] - lines)):
            if as_json:
                say_json(event)
            elif deltas or not gist.is_one_of_many(event["type"]):
                click.echo(gist.line(event, began_at))


@calls.command("export")
@click.option(
    "--format", "form", type=click.Choice(sorted(exports.FORMS)), default="ndjson", show_default=True
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Instead of standard output."
)
@CALL
@asks
def export_command(service: Service, call_id: str, form: str, output: Path | None, as_json: bool) -> None:
    """A call's events (NDJSON), or what was said in it (text, WebVTT, JSON; --json is --format json)."""
    pieces = exports.pieces(service, call_id, "json" if as_json else form)
    if output is None:
        return exports.print_out(pieces)
    exports.write(pieces, output)
    click.echo(f"Wrote {plain.harmless(str(output))}, which only this user may read.", err=True)
    return None


@calls.command("verify")
@click.option(
    "--head", metavar="SEQ:HEX", help="A head of this call that was published earlier and kept elsewhere."
)
@CALL
@asks
def verify_command(service: Service, call_id: str, head: str | None, as_json: bool) -> None:
    """Hold a call's record to its published seal.

    Over HTTP alone only the published head and the events' numbers can be compared: what the seals are made of does
    not leave the store. With DATABASE_URL and SWITCHBOARD_SEAL_KEY the whole chain is walked. Leaves with 0 when the
    chain fits, 1 when it does not, 3 when that can't be told.
    """
    from switchboard import (
        verify,
    )  # the store's libraries take half a second, and nothing else here needs them

    found = verify.verify(service, call_id, verify.head_of(head))
    if as_json:
        say_json(found.as_json())
    else:
        click.echo(plain.harmless(found.sentence))
    sys.exit(found.status)


for act in acts.COMMANDS:
    calls.add_command(act)
