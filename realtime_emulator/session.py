"""One call's effective session: its defaults, and how an update changes it. Sends nothing."""

import copy
from typing import Any

from realtime_emulator.beta_shape import read_shape
from realtime_emulator.refusals import Mistake
from realtime_emulator.session_rules import judge_session

SESSION_SECONDS = 3600
DEFAULT_MODEL = "gpt-realtime"
DEFAULT_TRANSCRIPTION_MODEL = "gpt-4o-transcribe"
DEFAULT_INSTRUCTIONS = "You are a helpful, friendly assistant. Speak warmly and keep your answers short."

SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
"""Recorded on Azure and OpenAI for gpt-realtime, July 2026; the schema's text says 500 ms of silence."""

SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}

SILENCE_BY_EAGERNESS_MS = {"low": 2000, "medium": 1000, "auto": 1000, "high": 500}
"""A quarter of the longest waits that OpenAI documents (8, 4 and 2 s): who does not understand words cannot know
when a sentence is complete, so a silence decides."""

_DETECTIONS = {"server_vad": SERVER_VAD, "semantic_vad": SEMANTIC_VAD}
_MERGED_GROUPS = ("audio", "input", "output")


class Session:
    """The effective session, in the recorded order of keys."""

    def __init__(self, session_id: str, wanted: dict[str, Any], expires_at: int) -> None:
        """`wanted` is a session object that was judged already (`read_wanted`)."""
        self._body = _defaults(session_id, expires_at)
        _merge(self._body, copy.deepcopy(wanted))

    def as_json(self) -> dict[str, Any]:
        return copy.deepcopy(self._body)

    def update(self, change: object, *, voice_is_fixed: bool) -> None:
        """Merge `change` in: what it omits is kept, null clears. Raises `Mistake`, and then nothing changed."""
        if not isinstance(change, dict):
            raise Mistake("invalid_type", "Invalid type for 'session': expected an object.", "session")
        change = read_shape(change)
        judge_session(change, type_required=True)
        if change.get("model", self._body["model"]) != self._body["model"]:
            raise Mistake("invalid_value", "The model of a session cannot be changed.", "session.model")
        voice = change.get("audio", {}).get("output", {}).get("voice", self.voice)
        if voice_is_fixed and voice != self.voice:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise Mistake("cannot_update_voice", message, "session.audio.output.voice")
        _merge(self._body, copy.deepcopy(change))

    @property
    def id(self) -> str:
        return str(self._body["id"])

    @property
    def instructions(self) -> str:
        return str(self._body["instructions"])

    @property
    def tools(self) -> list[dict[str, Any]]:
        return list(self._body["tools"])

    @property
    def tool_choice(self) -> Any:
        return self._body["tool_choice"]

    @property
    def output_modalities(self) -> list[str]:
        return list(self._body["output_modalities"])

    @property
    def max_output_tokens(self) -> Any:
        return self._body["max_output_tokens"]

    @property
    def audio_output(self) -> dict[str, Any]:
        """The part that a response repeats: format and voice."""
        output = self._body["audio"]["output"]
        return {"output": {"format": dict(output["format"]), "voice": output["voice"]}}

    @property
    def voice(self) -> Any:
        return self._body["audio"]["output"]["voice"]

    @property
    def transcription_model(self) -> str | None:
        transcription = self._body["audio"]["input"]["transcription"]
        return None if transcription is None else str(transcription["model"])

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """None: no automatic turns. Semantic detection is heard as silence, as long as its eagerness asks for."""
        detection = self._body["audio"]["input"]["turn_detection"]
        if detection is None:
            return None
        if detection["type"] == "semantic_vad":
            patience = SILENCE_BY_EAGERNESS_MS[detection["eagerness"]]
            return {**SERVER_VAD, **detection, "silence_duration_ms": patience}
        return {**SERVER_VAD, **detection}


def read_wanted(session: object) -> dict[str, Any]:
    """A session object out of a request, judged. Raises `Mistake`. None means all defaults."""
    if session is None:
        return {"type": "realtime"}
    if not isinstance(session, dict):
        raise Mistake("invalid_type", "Invalid type for 'session': expected an object.", "session")
    session = read_shape(session)
    judge_session(session, type_required=True)
    return session


def _defaults(session_id: str, expires_at: int) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": 24000}
    hearing = {
        "format": dict(pcm),
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": dict(SERVER_VAD),
    }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": DEFAULT_MODEL,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {"input": hearing, "output": {"format": dict(pcm), "voice": "alloy", "speed": 1.0}},
        "include": None,
    }


def _merge(body: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if key in _MERGED_GROUPS:
            _merge(body[key], value)
        elif key == "transcription" and value is not None:
            plain = {"model": DEFAULT_TRANSCRIPTION_MODEL, "language": None, "prompt": None}
            body[key] = {**plain, **(body[key] or {}), **value}
        elif key == "turn_detection" and value is not None:
            body[key] = _detection(body[key], value)
        else:
            body[key] = value


def _detection(present: dict[str, Any] | None, change: dict[str, Any]) -> dict[str, Any]:
    kind = change.get("type", present["type"] if present else "server_vad")
    kept = present if present and present["type"] == kind else _DETECTIONS[kind]
    return {**kept, **change, "type": kind}
