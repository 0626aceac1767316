"""What a conversation cost, against calculations that a person can check."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from realtime.prices import Cost, Prices
from realtime.profiles import Profile
from realtime.turns import Conversation
from realtime.usage import Usage

Frames = list[bytes]
Told = dict[str, Any]


def response(
    text: int = 0,
    audio: int = 0,
    image: int = 0,
    cached: tuple[int, int, int] = (0, 0, 0),
    out: tuple[int, int] = (0, 0),
) -> Told:
    """The usage of one response. `cached`: text, audio, image. `out`: text, audio."""
    kinds = ("text_tokens", "audio_tokens", "image_tokens")
    read = dict(zip(kinds, (text, audio, image), strict=True))
    details: Told = {
        **read,
        "cached_tokens": sum(cached),
        "cached_tokens_details": dict(zip(kinds, cached, strict=True)),
    }
    said = {"text_tokens": out[0], "audio_tokens": out[1]}
    total = {"input_tokens": sum(read.values()), "output_tokens": sum(out)}
    return {
        **total,
        "total_tokens": sum(total.values()),
        "input_token_details": details,
        "output_token_details": said,
    }


def tokens(text: int, audio: int, out: int) -> Told:
    """The usage of one transcription that is billed by tokens."""
    details = {"text_tokens": text, "audio_tokens": audio}
    total = {"input_tokens": text + audio, "output_tokens": out, "total_tokens": text + audio + out}
    return {"type": "tokens", **total, "input_token_details": details}


def seconds(value: float) -> Told:
    return {"type": "duration", "seconds": value}


def conversation(responses: list[Told | None], transcriptions: list[Told]) -> Told:
    """The totals of a conversation with these, as its summary tells them."""
    folded = Conversation()
    events: list[Told] = []
    for n, usage in enumerate(responses):
        status = "completed" if usage else "failed"
        events.append(
            {"type": "response.done", "response": {"id": f"r{n}", "status": status, "usage": usage}}
        )
    kind = "conversation.item.input_audio_transcription.completed"
    for n, usage in enumerate(transcriptions):
        events.append(
            {"type": kind, "item_id": f"u{n}", "content_index": 0, "transcript": "Hm", "usage": usage}
        )
    for seq, event in enumerate(events, 1):
        folded.hear(seq, seq, "upstream", json.dumps(event).encode())
    usage = folded.summary()["usage"]
    assert isinstance(usage, dict)
    return usage


ONE_TURN = response(14, 26, out=(28, 80))
CACHED = response(1_000, 500, cached=(600, 300, 0), out=(50, 200))

# All sums are in millionths of a dollar: tokens × dollars per million.
CALCULATED = [
    # 1. One voice turn.                 text 14 × 4 = 56, audio 26 × 32 = 832
    #    said: text 28 × 16 = 448, audio 80 × 64 = 5,120                                              sum  6,456
    ("gpt-realtime", None, [ONE_TURN], [], "0.006456"),
    # 2. Nine typed words, answered in text.   text 12 × 4 = 48, said 5 × 16 = 80                      sum    128
    ("gpt-realtime", None, [response(12, out=(5, 0))], [], "0.000128"),
    # 3. Much of it cached.   text (1,000 − 600) × 4 = 1,600, cached 600 × 0.40 = 240
    #    audio (500 − 300) × 32 = 6,400, cached 300 × 0.40 = 120
    #    said: text 50 × 16 = 800, audio 200 × 64 = 12,800                                            sum 21,960
    ("gpt-realtime", None, [CACHED], [], "0.021960"),
    # 4. The same on 2.1, where only text out differs: 50 × 24 = 1,200 for 800                        sum 22,360
    ("gpt-realtime-2.1", None, [CACHED], [], "0.022360"),
    # 5. The same on mini.   text 400 × 0.60 = 240, cached 600 × 0.06 = 36
    #    audio 200 × 10 = 2,000, cached 300 × 0.30 = 90
    #    said: text 50 × 2.40 = 120, audio 200 × 20 = 4,000                                           sum  6,486
    ("gpt-realtime-mini", None, [CACHED], [], "0.006486"),
    # 6. An image.   text 20 × 4 = 80, image (1,000 − 400) × 5 = 3,000, cached 400 × 0.50 = 200
    #    said: text 30 × 16 = 480                                                                     sum  3,760
    ("gpt-realtime", None, [response(20, 0, 1_000, cached=(0, 0, 400), out=(30, 0))], [], "0.003760"),
    # 7. Two voice turns: 2 × 6,456 = 12,912; transcribed by tokens, twice: text 20 × 2.50 = 50,
    #    audio 52 × 2.50 = 130, written 16 × 10 = 160                                                 sum 13,252
    ("gpt-realtime", "gpt-4o-transcribe", [ONE_TURN] * 2, [tokens(10, 26, 8)] * 2, "0.013252"),
    # 8. One turn: 6,456; transcribed by time: 1.5 s + 4.5 s = 0.1 min × 0.017 dollars = 1,700        sum  8,156
    ("gpt-realtime", "gpt-realtime-whisper", [ONE_TURN], [seconds(1.5), seconds(4.5)], "0.008156"),
    # 9. One answer interrupted: text 10 × 4 = 40, audio 40 × 32 = 1,280, said 5 × 16 = 80, 20 × 64 = 1,280: 2,680
    #    one that failed, without usage: 0
    #    one whole: text (30 − 10) × 4 = 80, cached 10 × 0.40 = 4, audio (60 − 40) × 32 = 640,
    #    cached 40 × 0.40 = 16, said 10 × 16 = 160, 30 × 64 = 1,920: 2,820
    #    transcribed: text 4 × 1.25 = 5, audio 50 × 3 = 150, written 6 × 5 = 30: 185                  sum  5,685
    (
        "gpt-realtime-1.5",
        "gpt-4o-mini-transcribe",
        [response(10, 40, out=(5, 20)), None, response(30, 60, cached=(10, 40, 0), out=(10, 30))],
        [tokens(4, 50, 6)],
        "0.005685",
    ),
    # 10. The old preview.   text (100 − 50) × 5 = 250, cached 50 × 2.50 = 125
    #     audio (200 − 100) × 40 = 4,000, cached 100 × 2.50 = 250
    #     said: text 40 × 20 = 800, audio 80 × 80 = 6,400                                             sum 11,825
    #     transcribed by time: 10 s × 0.006 / 60 s = 1,000                                            sum 12,825
    (
        "gpt-4o-realtime-preview-2024-12-17",
        "whisper-1",
        [response(100, 200, cached=(50, 100, 0), out=(40, 80))],
        [seconds(10)],
        "0.012825",
    ),
]


@pytest.mark.parametrize(("model", "transcriber", "responses", "transcriptions", "usd"), CALCULATED)
def test_ten_conversations_cost_what_a_person_calculates(
    model: str, transcriber: str | None, responses: list[Told | None], transcriptions: list[Told], usd: str
) -> None:
    cost = Prices.load().cost(conversation(responses, transcriptions), model, transcriber)
    assert cost.usd == Decimal(usd)
    told = cost.as_json()
    assert (told["usd"], told["priced_at"], told["model"], told["unknown"]) == (usd, "2026-11-20", model, [])
    assert sum(map(Decimal, told["parts"].values())) == Decimal(usd)


def test_a_recorded_tool_round_is_priced(tool_round: Frames) -> None:
    # Two responses: 63 and 96 text tokens in, 64 of them cached; 22 and 13 out.
    # (63 + 96 − 64) × 4 = 380, 64 × 0.40 = 25.6, (22 + 13) × 16 = 560: 965.6 millionths.
    folded = Conversation()
    for seq, frame in enumerate(tool_round, 1):
        folded.hear(seq, seq, "upstream", frame)
    cost = Prices.load().cost(folded.summary()["usage"], folded.summary()["model"], None)
    assert cost.usd == Decimal("0.0009656")
    assert cost.as_json()["parts"] == {
        "text_in": "0.000380",
        "text_cached": "0.000026",
        "text_out": "0.000560",
    }
    assert cost.as_json()["usd"] == "0.000966"


def priced(model: str | None, transcriber: str | None = None, prices: Prices | None = None) -> Cost:
    transcriptions = [tokens(4, 50, 6)] if transcriber else []
    return (prices or Prices.load()).cost(conversation([ONE_TURN], transcriptions), model, transcriber)


def test_an_unknown_model_costs_an_unknown_amount_and_never_nothing() -> None:
    for model, name in (("my-deployment", "my-deployment"), (None, "unnamed"), ("", "unnamed")):
        told = priced(model).as_json()
        assert (told["usd"], told["unknown"], told["parts"], told["priced_at"]) == (None, [name], {}, None)
    nothing_used = Prices.load().cost(Usage().totals(), "my-deployment", None)
    assert (nothing_used.usd, nothing_used.unknown) == (None, ("my-deployment",))


def test_a_known_model_that_used_nothing_costs_nothing() -> None:
    assert (
        Prices.load().cost(Usage().totals(), "gpt-realtime", "my-transcriber").as_json()["usd"] == "0.000000"
    )


def test_an_unknown_transcriber_leaves_the_known_parts() -> None:
    told = priced("gpt-realtime", "my-transcriber").as_json()
    assert (told["usd"], told["unknown"]) == (None, ["my-transcriber"])
    assert told["parts"]["audio_out"] == "0.005120"


def test_a_price_that_is_not_in_the_row_is_unknown() -> None:
    by_time, by_tokens = conversation([], [seconds(3)]), conversation([], [tokens(4, 50, 6)])
    assert Prices.load().cost(by_time, "gpt-realtime", "gpt-4o-transcribe").unknown == ("gpt-4o-transcribe",)
    assert Prices.load().cost(by_tokens, "gpt-realtime", "whisper-1").unknown == ("whisper-1",)
    image = conversation([response(image=10)], [])
    assert Prices.load().cost(image, "gpt-4o-mini-realtime-preview", None).usd is None


def test_tokens_whose_kind_is_not_told_take_the_dearest_price() -> None:
    totals = conversation(
        [{"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}], [{"total_tokens": 10}]
    )
    cost = Prices.load().cost(totals, "gpt-realtime", "gpt-4o-transcribe")
    # 10 × 32 = 320, 20 × 64 = 1,280, 10 × 10 = 100
    assert cost.usd == Decimal("0.0017")
    assert set(cost.parts) == {"unsorted_in", "unsorted_out", "transcription_unsorted"}


def test_a_transcriptions_input_is_sound_unless_it_is_said_to_be_text() -> None:
    usage = {"type": "tokens", "input_tokens": 50, "output_tokens": 6, "total_tokens": 56}
    cost = Prices.load().cost(conversation([], [usage]), "gpt-realtime", "gpt-4o-mini-transcribe")
    assert cost.usd == Decimal("0.00018")  # 50 × 3 = 150, 6 × 5 = 30


def test_the_totals_of_an_older_summary_are_priced() -> None:
    older = {
        "input_tokens": 40,
        "output_tokens": 108,
        "total_tokens": 148,
        "input": {"text": 14, "audio": 26, "image": 0, "cached": 8},
        "output": {"text": 28, "audio": 80},
        "transcription": {"tokens": 0, "seconds": 0.0},
        "responses": 1,
    }
    assert Prices.load().cost(older, "gpt-realtime", None).usd == Decimal("0.006456")
    assert Prices.load().cost({}, "gpt-realtime", None).usd == 0


def test_amounts_are_texts_without_an_exponent() -> None:
    cost = Prices.load().cost(conversation([response(1, cached=(1, 0, 0))], []), "gpt-realtime", None)
    assert (cost.usd, cost.as_json()["usd"]) == (Decimal("0.0000004"), "0.000000")
    huge = conversation([response(10**9, 10**9, out=(10**9, 10**9))] * 20, [])
    assert Prices.load().cost(huge, "gpt-realtime", None).as_json()["usd"] == "2320000.000000"


def test_an_operators_file_is_laid_over_ours(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        '[deployments]\nmy-voice = "gpt-realtime"\nmy-writer = "special"\n'
        '[[price]]\nmodels = ["special"]\nread = 2026-10-01\nsource = "our contract"\n'
        "text = { in = 1, out = 2.5 }\naudio = { in = 3 }\n"
    )
    prices = Prices.load(file)
    assert priced("my-voice", prices=prices).usd == Decimal("0.006456")
    # 6,456 + text 4 × 1 = 4, audio 50 × 3 = 150, written 6 × 2.50 = 15: 6,625; the older of the two days counts.
    told = priced("my-voice", "my-writer", prices).as_json()
    assert (told["usd"], told["priced_at"], told["model"]) == ("0.006625", "2026-10-01", "my-voice")


def test_an_operators_price_takes_the_place_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    row = '[[price]]\nmodels = ["gpt-realtime"]\nread = 2026-10-01\nsource = "our contract"\n'
    file.write_text(row + "text = { in = 1, out = 1 }\naudio = { in = 2, out = 3 }\n")
    # Nothing is said of cached tokens, so they cost what others cost.
    # text 1,000 × 1, audio 500 × 2, said 50 × 1 and 200 × 3: 2,650 millionths.
    cost = Prices.load(file).cost(conversation([CACHED], []), "gpt-realtime", None)
    assert cost.usd == Decimal("0.00265")


def test_a_profile_names_the_model_behind_its_deployment() -> None:
    assert Profile("default", "my-voice", None).priced_as == "my-voice"
    assert Profile("default", "my-voice", None, underlying="gpt-realtime").priced_as == "gpt-realtime"
