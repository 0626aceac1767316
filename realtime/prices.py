"""What a call cost, by the totals of its usage and a dated table of list prices: an estimate, never a bill.

It computes in decimals, and what it has no price for it calls unknown; it never calls it nothing. It does not know
where usage comes from, nor which currency a reader has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from realtime.price_table import KINDS, OURS, Price, PriceTable

MILLION = 1_000_000
SECONDS_PER_MINUTE = 60
CENT_OF_A_CENT = Decimal("0.000001")  # dollars: amounts are shown to a ten-thousandth of a cent
UNNAMED = "unnamed"  # a model that nobody named has no price either


@dataclass(frozen=True)
class Line:
    """So many units of one kind, and what one costs in US dollars; None: no price is known."""

    part: str
    model: str
    units: Decimal
    price: Decimal | None


@dataclass(frozen=True)
class Cost:
    """`usd`: US dollars, exact; None when the price of any part is unknown. `parts`: those that are known. `priced_at`:
    the day on which the oldest of the prices was read. `unknown`: the models whose price is not in the table."""

    usd: Decimal | None
    model: str
    parts: Mapping[str, Decimal]
    priced_at: str | None
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """`{"usd": "0.012345" or None, "priced_at", "model", "parts": {"audio_in": "0.010000", …}, "unknown": […]}`.

        Amounts are decimal texts, rounded to a millionth of a dollar, each by itself. Parts: text_in, text_cached,
        text_out, audio_in, audio_cached, audio_out, image_in, image_cached, unsorted_in, unsorted_out (tokens whose
        kind was not told, at the dearest price), transcription_text_in, transcription_audio_in, transcription_out,
        transcription_unsorted, transcription_minutes.
        """
        return {
            "usd": None if self.usd is None else _shown(self.usd),
            "priced_at": self.priced_at,
            "model": self.model,
            "parts": {part: _shown(amount) for part, amount in self.parts.items()},
            "unknown": list(self.unknown),
        }


class Prices:
    """List prices by model."""

    def __init__(self, table: PriceTable) -> None:
        self._table = table

    @classmethod
    def load(cls, path: Path | str | None = None) -> Prices:
        """Our own table, with the file at `path` laid over it. Raises Misconfigured with one sentence."""
        ours = PriceTable.read(OURS)
        return cls(ours if path is None else ours.under(PriceTable.read(path)))

    def cost(self, totals: Mapping[str, Any], model: str | None, transcription_model: str | None) -> Cost:
        """Of one call: `totals` as `Usage.totals()` gives them. `model`: on Azure the underlying model, or a deployment
        that the table's [deployments] names. A transcription is priced only where there was one."""
        model, transcriber = model or UNNAMED, transcription_model or UNNAMED
        price, transcriber_price = self._table.find(model), self._table.find(transcriber)
        lines = [
            *_answer_lines(totals, model, price),
            *_transcription_lines(totals, transcriber, transcriber_price),
        ]
        missing = [model] * (price is None) + [line.model for line in lines if line.price is None]
        used = [price] + [transcriber_price] * any(line.model == transcriber for line in lines)
        parts = {line.part: line.units * line.price for line in lines if line.price is not None}
        return Cost(
            usd=None if missing else sum(parts.values(), Decimal(0)),
            model=model,
            parts=parts,
            priced_at=min((row.read.isoformat() for row in used if row is not None), default=None),
            unknown=tuple(dict.fromkeys(missing)),
        )


def _answer_lines(totals: Mapping[str, Any], model: str, price: Price | None) -> Iterator[Line]:
    """What the model read and said. Cached tokens are a part of what was read."""
    read, cached, said = (_counts(totals, key) for key in ("input", "cached", "output"))
    for kind in KINDS:
        yield from _token_line(f"{kind}_in", model, read[kind] - cached[kind], _per_token(price, kind, "in"))
        yield from _token_line(f"{kind}_cached", model, cached[kind], _per_token(price, kind, "cached"))
        yield from _token_line(f"{kind}_out", model, said[kind], _per_token(price, kind, "out"))
    unread, unsaid = (
        totals.get(f"{way}put_tokens", 0) - sum(counts[kind] for kind in KINDS)
        for way, counts in (("in", read), ("out", said))
    )
    yield from _token_line("unsorted_in", model, unread, _dearest(price, "in"))
    yield from _token_line("unsorted_out", model, unsaid, _dearest(price, "out"))


def _transcription_lines(totals: Mapping[str, Any], model: str, price: Price | None) -> Iterator[Line]:
    """A transcription reads sound: what of its input is not said to be text."""
    used = _counts(totals, "transcription")
    text, said = used["input_text"], used["output_tokens"]
    audio = max(used["input_audio"], used["input_tokens"] - text)
    unsorted = used["tokens"] - text - audio - said
    yield from _token_line("transcription_text_in", model, text, _per_token(price, "text", "in"))
    yield from _token_line("transcription_audio_in", model, audio, _per_token(price, "audio", "in"))
    yield from _token_line("transcription_out", model, said, _per_token(price, "text", "out"))
    yield from _token_line("transcription_unsorted", model, unsorted, _dearest(price, "in", "out"))
    if used["seconds"] > 0:
        minutes = Decimal(str(used["seconds"])) / SECONDS_PER_MINUTE
        yield Line("transcription_minutes", model, minutes, price.minute if price else None)


def _counts(totals: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of the totals. Summaries that an older version stored lack some: those count as none."""
    return defaultdict(int, totals.get(key) or {})


def _token_line(part: str, model: str, count: int, price: Decimal | None) -> Iterator[Line]:
    if count > 0:
        yield Line(part, model, Decimal(count), price)


def _per_token(price: Price | None, kind: str, way: str) -> Decimal | None:
    """A cached token without a price of its own costs what any other costs."""
    tokens = price.tokens if price else {}
    million = tokens.get((kind, way), tokens.get((kind, "in")) if way == "cached" else None)
    return None if million is None else million / MILLION


def _dearest(price: Price | None, *ways: str) -> Decimal | None:
    """For tokens whose kind was not told: an estimate may be too high, but not too low."""
    prices = [million for (_, way), million in (price.tokens if price else {}).items() if way in ways]
    return max(prices) / MILLION if prices else None


def _shown(amount: Decimal) -> str:
    return f"{amount.quantize(CENT_OF_A_CENT, ROUND_HALF_UP):f}"
