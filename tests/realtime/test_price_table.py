"""prices.toml is right, and one that an operator wrote wrongly is refused in one sentence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from realtime.errors import Misconfigured
from realtime.price_table import OURS, PriceTable
from realtime.settings import UpstreamSettings

ROW = '[[price]]\nmodels = ["m"]\nread = 2026-11-20\nsource = "a page"\n'


def read(folder: Path, text: str) -> PriceTable:
    file = folder / "prices.toml"
    file.write_text(text, "utf-8")
    return PriceTable.read(file)


# (in, cached, out) in dollars per million tokens, or dollars per minute: the published list, read in November 2026.
LISTED = [
    ("gpt-realtime-2.1", ("4", "0.40", "24"), ("32", "0.40", "64"), None),
    ("gpt-realtime-2", ("4", "0.40", "24"), ("32", "0.40", "64"), None),
    ("gpt-realtime-1.5", ("4", "0.40", "16"), ("32", "0.40", "64"), None),
    ("gpt-realtime", ("4", "0.40", "16"), ("32", "0.40", "64"), None),
    ("gpt-realtime-2025-08-28", ("4", "0.40", "16"), ("32", "0.40", "64"), None),
    ("gpt-realtime-2.1-mini", ("0.60", "0.06", "2.40"), ("10", "0.30", "20"), None),
    ("gpt-realtime-mini", ("0.60", "0.06", "2.40"), ("10", "0.30", "20"), None),
    ("gpt-4o-mini-realtime-preview", ("0.60", "0.30", "2.40"), ("10", "0.30", "20"), None),
    ("gpt-4o-realtime-preview-2024-12-17", ("5", "2.50", "20"), ("40", "2.50", "80"), None),
    ("gpt-4o-transcribe", ("2.50", None, "10"), ("2.50", None, None), None),
    ("gpt-4o-mini-transcribe", ("1.25", None, "5"), ("3", None, None), None),
    ("gpt-realtime-whisper", None, None, "0.017"),
    ("gpt-live-transcribe", None, None, "0.017"),
    ("gpt-transcribe", None, None, "0.0045"),
    ("whisper-1", None, None, "0.006"),
    ("gpt-realtime-translate", None, None, "0.034"),
]
Listed = tuple[str | None, str | None, str | None] | None


@pytest.mark.parametrize(("model", "text", "audio", "minute"), LISTED)
def test_our_table_is_the_published_list(model: str, text: Listed, audio: Listed, minute: str | None) -> None:
    price = PriceTable.read(OURS).find(model)
    assert price is not None
    for kind, listed in (("text", text), ("audio", audio)):
        found = tuple(price.tokens.get((kind, way)) for way in ("in", "cached", "out"))
        assert found == tuple(None if p is None else Decimal(p) for p in listed or (None, None, None))
    assert price.minute == (None if minute is None else Decimal(minute))


def test_our_table_says_when_and_where_each_price_was_read() -> None:
    table = PriceTable.read(OURS)
    assert {model for model, *_ in LISTED} == set(table.prices)
    assert all(price.source and price.read.year >= 2026 for price in table.prices.values())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[price]\n", "is no TOML"),
        ("price = 7\n", "price must be written as"),
        ("[prices]\n", "unknown key prices"),
        ("[deployments]\nmine = 7\n", "[deployments] must name models"),
        ("[[price]]\n", "[[price]] 1: models must be a list"),
        ('[[price]]\nmodels = "m"\n', "[[price]] 1: models must be a list"),
        ('[[price]]\nmodels = ["m"]\nsource = "s"\nminute = 1\n', "[[price]] 1: read must be the day"),
        ('[[price]]\nmodels = ["m"]\nread = 2026-11-20T10:00:00Z\n', "[[price]] 1: read must be the day"),
        ('[[price]]\nmodels = ["m"]\nread = 2026-11-20\nminute = 1\n', "[[price]] 1: source must say"),
        (ROW, "[[price]] 1: has no price"),
        (ROW + "cents = 3\n", "[[price]] 1: unknown key cents"),
        (ROW + "minute = -1\n", "[[price]] 1: minute must be a number"),
        (ROW + 'minute = "0.1"\n', "[[price]] 1: minute must be a number"),
        (ROW + "minute = true\n", "[[price]] 1: minute must be a number"),
        (ROW + "minute = nan\n", "[[price]] 1: minute must be a number"),
        (ROW + "minute = inf\n", "[[price]] 1: minute must be a number"),
        (ROW + "minute = 1e40\n", "[[price]] 1: minute must be a number"),
        (ROW + "text = { inn = 1 }\n", "[[price]] 1: text must be a table of in, cached and out"),
        (ROW + "text = { in = [] }\n", "[[price]] 1: text.in must be a number"),
        (ROW + "minute = 1\n" + ROW + "minute = 2\n", "[[price]] 2: m has a price already"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(Misconfigured) as said:
        read(tmp_path, text)
    assert complaint in str(said.value)
    assert "prices.toml" in str(said.value)


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="SWITCHBOARD_PRICES"):
        PriceTable.read(tmp_path / "nowhere.toml")


def test_the_setting_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_PRICES", raising=False)
    assert UpstreamSettings.from_environment().prices is None
    monkeypatch.setenv("SWITCHBOARD_PRICES", "our-prices.toml")
    assert UpstreamSettings.from_environment().prices == Path("our-prices.toml")


def test_prices_are_exact(tmp_path: Path) -> None:
    price = read(tmp_path, ROW + "text = { in = 0.1, cached = 0.30, out = 3 }\n").find("m")
    assert price is not None
    assert [price.tokens["text", way] for way in ("in", "cached", "out")] == [
        Decimal("0.1"),
        Decimal("0.3"),
        3,
    ]
