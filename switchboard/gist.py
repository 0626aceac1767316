"""One event of a call's log as one line for people.

Knows which fields of which event say the most. It decides nothing about them; what it does not know it leaves out.
"""

from __future__ import annotations

from typing import Any

from switchboard.plain import harmless, since

ARROWS = {"upstream": "<", "operator": ">", "tool": ">", "observer": "*", "browser": "o"}
LONGEST = 160  # characters of what was said
_FACTS = ("cause", "reason", "state", "code", "limit", "policy", "by", "node", "name", "pattern", "what")


def line(event: dict[str, Any], began_at: str) -> str:
    """`  +3.214 s  < response.done  completed`; times count from `began_at`."""
    seconds = since(began_at, event["at"]) or 0.0
    said = harmless(_said(event["event"] or {}))
    shown = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
    return (
        f"{seconds:+9.3f} s  {ARROWS.get(event['source'], '?')} {harmless(event['type'])}  {shown}".rstrip()
    )


def is_one_of_many(event_type: str) -> bool:
    """Whether it comes many times in a row and says little by itself."""
    return event_type.endswith(".delta") or event_type == "browser.stats"


def _said(event: dict[str, Any]) -> str:
    for words in (event.get("transcript"), event.get("text"), event.get("delta"), _item(event.get("item"))):
        if isinstance(words, str) and words:
            return f"“{words.strip()}”"
    error, response, session = (_object(event.get(name)) for name in ("error", "response", "session"))
    if error:
        return f"{error.get('code') or error.get('type')}: {error.get('message')}"
    if response:
        return str(response.get("status") or response.get("instructions") or "")
    if session.get("instructions"):
        return f"“{str(session['instructions']).strip()}”"
    return " ".join(f"{name}={event[name]}" for name in _FACTS if isinstance(event.get(name), str | int))


def _item(item: Any) -> str:
    parts = _object(item).get("content")
    said = [_object(part) for part in parts] if isinstance(parts, list) else []
    words = (part.get("text") or part.get("transcript") for part in said)
    return " ".join(word for word in words if isinstance(word, str))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
