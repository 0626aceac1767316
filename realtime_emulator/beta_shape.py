"""The flat session of the beta protocol, read as today's nested one. Judges nothing: the rules do that afterwards.

Names are those of Microsoft's and OpenAI's migration guides, 2025. The answers keep today's shape.
"""

from typing import Any

_PLACES: dict[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "max_response_output_tokens": ("max_output_tokens",),
}
_DROPPED = ("temperature",)
_FORMATS = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


def read_shape(session: dict[str, Any]) -> dict[str, Any]:
    """`session` as it is, unless it has no `type` and a name that only the beta knew: then its nested form."""
    if "type" in session or "audio" in session or not any(name in session for name in (*_PLACES, *_DROPPED)):
        return session
    nested: dict[str, Any] = {"type": "realtime"}
    for name, value in session.items():
        if name not in _DROPPED:
            _put(nested, _PLACES.get(name, (name,)), _VALUES.get(name, _as_it_is)(value))
    return nested


def _put(nested: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        nested = nested.setdefault(name, {})
    nested[path[-1]] = value


def _as_it_is(value: Any) -> Any:
    return value


def _turns(value: Any) -> Any:
    """The first beta turned automatic turns off by a type of their own."""
    return None if isinstance(value, dict) and value.get("type") == "none" else value


def _modalities(value: Any) -> Any:
    """Both together meant: speak, with a transcript."""
    return ["audio"] if isinstance(value, list) and "audio" in value else value


def _format(value: Any) -> Any:
    return _FORMATS.get(value, value) if isinstance(value, str) else value


_VALUES = {
    "turn_detection": _turns,
    "modalities": _modalities,
    "input_audio_format": _format,
    "output_audio_format": _format,
}
