"""Token arithmetic, calculated by hand."""

from realtime_emulator.conversation import Item
from realtime_emulator.usage import Meter, bill_transcription, count_text, split_pieces

VOICE = Item({"id": "a", "role": "user"}, "not counted: it was spoken", audio_ms=2668)
ANSWER = Item({"id": "b", "role": "assistant"}, "Hello there!", audio_ms=1010)


def test_text_is_streamed_in_the_recorded_pieces() -> None:
    pieces = ["Hi", " Marcelo", ",", " it's", " great", " to", " meet", " you", "."]
    assert split_pieces("Hi Marcelo, it's great to meet you.") == pieces


def test_pieces_always_make_up_the_text() -> None:
    for text in ("", " ", "a", "a ", " a\n\nb ", "…", "日本語 ok", "a  b", "3.14 -> x_y", "don’t"):
        assert "".join(split_pieces(text)) == text


def test_a_response_is_billed_the_whole_conversation() -> None:
    usage = Meter().bill("Be brief.", [VOICE, ANSWER], "Good bye!", 1000)
    # 3 of instructions + 3 of the answer's words; 26 of the user's 2668 ms + 20 of the answer's 1010 ms
    assert usage["input_token_details"]["text_tokens"] == 6
    assert usage["input_token_details"]["audio_tokens"] == 46
    assert usage["output_token_details"] == {"text_tokens": 3, "audio_tokens": 20}
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (52, 23, 75)
    assert usage["input_token_details"]["cached_tokens"] == 0


def test_from_the_second_response_on_what_was_read_before_is_cached() -> None:
    meter = Meter()
    meter.bill("Be brief.", [VOICE], "x", 0)
    details = meter.bill("Be brief.", [VOICE, ANSWER], "x", 0)["input_token_details"]
    assert details["cached_tokens"] == 29
    assert details["cached_tokens_details"] == {"text_tokens": 3, "audio_tokens": 26, "image_tokens": 0}


def test_new_instructions_spoil_the_cache() -> None:
    meter = Meter()
    meter.bill("Be brief.", [VOICE], "x", 0)
    assert meter.bill("Be long.", [VOICE], "x", 0)["input_token_details"]["cached_tokens"] == 0


def test_nothing_is_cached_that_was_deleted() -> None:
    meter = Meter()
    meter.bill("", [VOICE, ANSWER], "x", 0)
    details = meter.bill("", [ANSWER], "x", 0)["input_token_details"]
    assert details["cached_tokens"] <= details["text_tokens"] + details["audio_tokens"]


def test_a_transcription_is_billed_by_tokens_or_by_seconds() -> None:
    tokens = bill_transcription("gpt-4o-transcribe", "Hello there!", 2000)
    assert (tokens["type"], tokens["input_tokens"], tokens["output_tokens"], tokens["total_tokens"]) == (
        "tokens",
        20,
        3,
        23,
    )
    assert bill_transcription("whisper-1", "Hello there!", 2000) == {"type": "duration", "seconds": 2.0}


def test_text_is_about_a_token_a_word_or_mark() -> None:
    assert [count_text(text) for text in ("", "Hello", "Hello there!", "it's")] == [0, 1, 3, 1]
