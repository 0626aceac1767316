"""The transcription of a spoken turn: told, or told to have failed. The words are the script's, not heard."""

from typing import Any

from realtime_emulator.conversation import Item
from realtime_emulator.line import Line
from realtime_emulator.mishaps import TRANSCRIPTION_FAILS
from realtime_emulator.usage import bill_transcription, split_pieces

_HEARING = "conversation.item.input_audio_transcription"


def transcribe(line: Line, item: Item) -> None:
    """Nothing at all when the session asks for no transcription."""
    model = line.session.transcription_model
    if model is None:
        return
    place = {"item_id": item.id, "content_index": 0}
    missing = line.mishaps.look(TRANSCRIPTION_FAILS, line.call_id) is not None
    if missing or not line.script.is_deployed(model):
        _fail(line, place)
        return
    for piece in split_pieces(item.words) if item.words else []:
        padding = line.ids.obfuscation(piece)
        line.emit(f"{_HEARING}.delta", **place, delta=piece, obfuscation=padding)
    item.body["content"][0]["transcript"] = item.words
    usage = bill_transcription(model, item.words, item.audio_ms)
    line.emit(f"{_HEARING}.completed", **place, transcript=item.words, usage=usage)


def _fail(line: Line, place: dict[str, Any]) -> None:
    """As recorded on Azure, July 2026, when the transcription's model is no deployment: the call goes on."""
    message = f"Input transcription failed for item '{place['item_id']}'."
    error = {"type": "server_error", "code": "DeploymentNotFound", "message": message, "param": None}
    line.emit(f"{_HEARING}.failed", **place, error=error)
