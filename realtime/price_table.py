"""The table of prices as an operator writes it: read, checked, and laid over the one that comes with us. What is wrong
is said in one sentence. It does not know what anybody used."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from realtime.errors import Misconfigured

OURS = Path(__file__).with_name("prices.toml")
KINDS = ("text", "audio", "image")
DIRECTIONS = ("in", "cached", "out")
DOLLARS_MAX = 1_000_000  # per million tokens, or per minute
_KEYS = ("models", "read", "source", "minute", *KINDS)


@dataclass(frozen=True)
class Price:
    """US dollars: `tokens` per million, by (kind, direction); `minute` per minute of sound. `read`: on which day."""

    read: date
    source: str
    tokens: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    minute: Decimal | None = None


@dataclass(frozen=True)
class PriceTable:
    """Prices by model, and which model a deployment is where the names differ."""

    prices: Mapping[str, Price]
    deployments: Mapping[str, str]

    @classmethod
    def read(cls, path: Path | str) -> PriceTable:
        """Raises Misconfigured with one sentence that names file, row and key."""
        table = _load(Path(path))
        unknown = sorted(table.keys() - {"price", "deployments"})
        if unknown:
            raise Misconfigured(f"{path}: unknown key {unknown[0]}; known are [[price]] and [deployments].")
        rows = table.get("price", [])
        if not isinstance(rows, list):
            raise Misconfigured(f"{path}: price must be written as [[price]], once for each row.")
        prices: dict[str, Price] = {}
        for number, row in enumerate(rows, 1):
            where = f"{path}: [[price]] {number}"
            for model in _models(where, row):
                if model in prices:
                    raise Misconfigured(f"{where}: {model} has a price already; remove one of them.")
                prices[model] = _price(where, row)
        return cls(prices, _deployments(f"{path}", table.get("deployments", {})))

    def under(self, other: PriceTable) -> PriceTable:
        """This table with another one laid over it."""
        return PriceTable({**self.prices, **other.prices}, {**self.deployments, **other.deployments})

    def find(self, name: str) -> Price | None:
        """The price of a model, or of the model that this deployment is."""
        return self.prices.get(self.deployments.get(name, name))


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as cause:
        raise Misconfigured(
            f"{path}: cannot be read; set SWITCHBOARD_PRICES to a file of prices, or unset it."
        ) from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as cause:
        raise Misconfigured(f"{path}: is no TOML ({cause}); correct it.") from cause


def _models(where: str, row: object) -> list[str]:
    models = row.get("models") if isinstance(row, dict) else None
    if not isinstance(models, list) or not models or not all(isinstance(m, str) and m for m in models):
        raise Misconfigured(f"{where}: models must be a list of names.")
    return models


def _price(where: str, row: Mapping[str, Any]) -> Price:
    unknown = sorted(row.keys() - set(_KEYS))
    if unknown:
        raise Misconfigured(f"{where}: unknown key {unknown[0]}; known are {', '.join(_KEYS)}.")
    read, source = row.get("read"), row.get("source")
    if not isinstance(read, date) or isinstance(read, datetime):
        raise Misconfigured(f"{where}: read must be the day on which the price was read, such as 2026-11-20.")
    if not isinstance(source, str) or not source.strip():
        raise Misconfigured(f"{where}: source must say where the price was read.")
    tokens = {pair: price for kind in KINDS for pair, price in _tokens(where, kind, row.get(kind, {}))}
    minute = _dollars(f"{where}: minute", row["minute"]) if "minute" in row else None
    if not tokens and minute is None:
        raise Misconfigured(f"{where}: has no price; give text, audio, image or minute.")
    return Price(read, source, tokens, minute)


def _tokens(where: str, kind: str, table: object) -> list[tuple[tuple[str, str], Decimal]]:
    if not isinstance(table, dict) or table.keys() - set(DIRECTIONS):
        raise Misconfigured(
            f"{where}: {kind} must be a table of in, cached and out, in dollars per million tokens."
        )
    return [((kind, way), _dollars(f"{where}: {kind}.{way}", price)) for way, price in table.items()]


def _dollars(where: str, value: object) -> Decimal:
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    price = Decimal(value) if is_number else Decimal(-1)  # type: ignore[arg-type]
    if not price.is_finite() or not 0 <= price <= DOLLARS_MAX:
        raise Misconfigured(f"{where} must be a number of US dollars, from 0 to {DOLLARS_MAX}.")
    return price


def _deployments(file: str, table: object) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(model, str) and model for model in table.values()):
        raise Misconfigured(
            f'{file}: [deployments] must name models, such as my-deployment = "gpt-realtime".'
        )
    return table
