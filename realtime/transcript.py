"""A conversation as a person would file it: plain text, or WebVTT beside the sound of a call.

Pure: it lays out turns, and decides nothing about them. What the caller did not hear is marked, never left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime.turns import Turn

SPEAKERS = {"user": "Caller", "assistant": "Model", "system": "System", "tool": "Tool"}
SHORTEST_CUE_MS = 1_000
NO_WORDS = "(no words were recorded)"
NO_CONTENT = "(what was said is not recorded)"


def as_text(turns: Sequence[Turn], began_at: int, blank: str = NO_WORDS) -> str:
    """One line a turn: `[00:04.210] Model: …`. `began_at`: UTC milliseconds of the call's answer. `blank`: what stands
    for a turn without words."""
    return "".join(
        f"[{_clock(_offset(turn, began_at))}] {SPEAKERS[turn.role]}: {words(turn, blank)}\n" for turn in turns
    )


def as_vtt(turns: Sequence[Turn], began_at: int, blank: str = NO_WORDS) -> str:
    """WebVTT (W3C): a cue for each turn that has a time, the speaker as its voice."""
    cues = [_cue(turn, began_at, blank) for turn in turns if turn.started_at is not None]
    return "\n".join(["WEBVTT\n", *cues])


def words(turn: Turn, blank: str = NO_WORDS) -> str:
    """What was said; the part that was not heard in brackets. One line, whatever was said."""
    if turn.tool is not None and not turn.tool["arguments"] and turn.tool["output"] is None:
        said = f"{turn.tool['name']} {blank}"
    elif turn.tool is not None:
        said = f"{turn.tool['name']}({turn.tool['arguments']}) = {turn.tool['output']}"
    elif turn.unheard:
        said = f"{turn.heard or ''} [not heard: {turn.unheard.strip()}]"
    else:
        said = turn.text or blank
    return " ".join(said.split())


def _cue(turn: Turn, began_at: int, blank: str) -> str:
    start = _offset(turn, began_at)
    end = max(start + SHORTEST_CUE_MS, (turn.ended_at or 0) - began_at)
    times = f"{_clock(start, hours=True)} --> {_clock(end, hours=True)}"
    return f"{times}\n<v {SPEAKERS[turn.role]}>{_escaped(words(turn, blank))}\n"


def _offset(turn: Turn, began_at: int) -> int:
    return max(0, (turn.started_at or began_at) - began_at)


def _clock(milliseconds: int, hours: bool = False) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    if not hours:
        return f"{minutes:02}:{seconds:02}.{thousandths:03}"
    whole, minutes = divmod(minutes, 60)
    return f"{whole:02}:{minutes:02}:{seconds:02}.{thousandths:03}"


def _escaped(text: str) -> str:
    """In a cue, these begin tags, entities and the next cue's timing."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
