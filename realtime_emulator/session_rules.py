"""What a GA session object may contain: every known parameter with its rule (OpenAI's API schema).

Judges values one by one; what they mean together, and the merge, are the business of `session.py`.
"""

from collections.abc import Callable
from typing import Any

from realtime_emulator.refusals import (
    Mistake,
    invalid_type,
    missing_parameter,
    unknown_parameter,
    unsupported_value,
)

Rule = Callable[[str, Any], None]
"""Takes a parameter's full path and its value; raises `Mistake` when the value may not stand there."""


def _anything(param: str, value: Any) -> None:
    """The emulator keeps it and echoes it, and does not look inside."""


def _text(param: str, value: Any) -> None:
    if not isinstance(value, str):
        raise invalid_type(param, "a string")


def _truth(param: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise invalid_type(param, "a boolean")


def _group(param: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_type(param, "an object")


def _objects(param: str, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise invalid_type(param, "an array of objects")


def _one_of(*supported: str) -> Rule:
    def judge(param: str, value: Any) -> None:
        if value not in supported:
            raise unsupported_value(param, value, supported)

    return judge


def _number(low: float, high: float) -> Rule:
    def judge(param: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid_type(param, "a number")
        if not low <= value <= high:
            message = f"Invalid '{param}': expected a value between {low} and {high}, got {value}."
            raise Mistake("invalid_value", message, param)

    return judge


def _or_null(rule: Rule) -> Rule:
    def judge(param: str, value: Any) -> None:
        if value is not None:
            rule(param, value)

    return judge


def _modalities(param: str, value: Any) -> None:
    if value not in (["audio"], ["text"]):
        raise unsupported_value(param, value, ("['audio']", "['text']"))


def _voice(param: str, value: Any) -> None:
    if not isinstance(value, dict):
        _text(param, value)


def _tokens(param: str, value: Any) -> None:
    if value != "inf":
        _number(1, 4096)(param, value)


_FORMATS = _one_of("audio/pcm", "audio/pcmu", "audio/pcma")
_VAD = "audio.input.turn_detection"
_HEARING = "audio.input.transcription"

RULES: dict[str, Rule] = {
    "type": _one_of("realtime"),
    "model": _text,
    "output_modalities": _modalities,
    "instructions": _text,
    "tools": _objects,
    "tool_choice": _anything,
    "parallel_tool_calls": _truth,
    "reasoning": _or_null(_group),
    "reasoning.effort": _one_of("minimal", "low", "medium", "high", "xhigh"),
    "max_output_tokens": _tokens,
    "tracing": _anything,
    "truncation": _anything,
    "prompt": _anything,
    "include": _anything,
    "audio": _group,
    "audio.input": _group,
    "audio.input.format": _group,
    "audio.input.format.type": _FORMATS,
    "audio.input.format.rate": _number(24000, 24000),
    "audio.input.noise_reduction": _or_null(_group),
    "audio.input.noise_reduction.type": _one_of("near_field", "far_field"),
    _HEARING: _or_null(_group),
    f"{_HEARING}.model": _text,
    f"{_HEARING}.language": _or_null(_text),
    f"{_HEARING}.languages": _anything,
    f"{_HEARING}.keywords": _anything,
    f"{_HEARING}.prompt": _or_null(_text),
    f"{_HEARING}.delay": _anything,
    _VAD: _or_null(_group),
    f"{_VAD}.type": _one_of("server_vad", "semantic_vad"),
    f"{_VAD}.threshold": _number(0, 1),
    f"{_VAD}.prefix_padding_ms": _number(0, 10_000),
    f"{_VAD}.silence_duration_ms": _number(0, 10_000),
    f"{_VAD}.idle_timeout_ms": _or_null(_number(5000, 30_000)),
    f"{_VAD}.create_response": _truth,
    f"{_VAD}.interrupt_response": _truth,
    f"{_VAD}.eagerness": _one_of("low", "medium", "high", "auto"),
    "audio.output": _group,
    "audio.output.format": _group,
    "audio.output.format.type": _FORMATS,
    "audio.output.format.rate": _number(24000, 24000),
    "audio.output.voice": _voice,
    "audio.output.speed": _number(0.25, 1.5),
}

_UNOPENED = ("tools", "tool_choice", "tracing", "truncation", "prompt", "audio.output.voice")
"""Objects whose inside is free or the vendor's own."""


def judge_session(session: dict[str, Any], *, type_required: bool) -> None:
    """Raises the first `Mistake` found; parameters are named from `session.` on."""
    if type_required and "type" not in session:
        raise missing_parameter("session.type")
    if session.get("type") == "transcription":
        raise Mistake(
            "invalid_parameter",
            "Passing a transcription session update event to a realtime session is not allowed.",
            "session.type",
        )
    _judge("", session)


def _judge(path: str, group: dict[str, Any]) -> None:
    for name, value in group.items():
        inner = f"{path}{name}"
        rule = RULES.get(inner)
        if rule is None:
            raise unknown_parameter(f"session.{inner}")
        rule(f"session.{inner}", value)
        if isinstance(value, dict) and inner not in _UNOPENED:
            _judge(f"{inner}.", value)
