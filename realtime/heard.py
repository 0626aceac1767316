"""How much of a spoken text was heard before it was cut off: an estimate, made so that it claims too little rather than
too much. It knows texts and lengths in milliseconds, and no events."""

from __future__ import annotations

import re

MS_PER_AUDIO_TOKEN = 50  # of the assistant's sound (OpenAI's cost guide)
UNITS_PER_SECOND = 12  # a slow voice: 15 were recorded on Azure, July 2026
UNITS_PER_SECOND_MAX = 25  # nobody speaks faster, whatever the tokens say
DIGIT_UNITS = 4  # a digit is a word
WIDE_UNITS = 3  # so is nearly a Chinese, Japanese or Korean character

_WIDE = "⺀-\uffef"
_WORD = re.compile(rf"\s*(?:[{_WIDE}]|[^\s{_WIDE}]+)")
_DIGITS = re.compile(r"\d")
_WIDES = re.compile(rf"[{_WIDE}]")


def weigh(text: str) -> int:
    """How long it takes to say, in units: a letter, a mark or a space is one."""
    if text.isascii() and text.isalpha():
        return len(text)
    digits, wide = len(_DIGITS.findall(text)), len(_WIDES.findall(text))
    return len(text) + (DIGIT_UNITS - 1) * digits + (WIDE_UNITS - 1) * wide


def spoken_ms(units: int, share: float, audio_tokens: int) -> float:
    """How long a text of so many units sounds. `audio_tokens`: of the whole response, 0 for not known; `share`: the
    text's part of what that response says. Without tokens, the length at a slow, stated rate."""
    if audio_tokens:
        return max(
            share * audio_tokens * MS_PER_AUDIO_TOKEN,
            units * 1000 / UNITS_PER_SECOND_MAX,
        )
    return units * 1000 / UNITS_PER_SECOND


def split(text: str, share: float, known: int | None = None) -> tuple[str, str]:
    """What was heard and what was not; together they are `text`.

    `share`: the audible part of its length, from 0 to 1. A word that was cut counts as not heard. `known`: how many
    characters of the text had been announced when the sound ended (None: not known): no more can have been heard.
    """
    budget, spent, end = share * weigh(text), 0, 0
    limit = len(text) if known is None else known
    for word in _WORD.finditer(text):
        spent += weigh(word.group())
        if spent > budget or word.end() > limit:
            break
        end = word.end()
    return text[:end], text[end:]
