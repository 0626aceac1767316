"""What a call's events mean to a person who reads it: turns with words, in their true order, with times and outcome.

Pure and resumable: it may stop and go on at any event. What each event does is told in `fold.py`; this module shows
the state. It knows no store and no page.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from realtime import heard
from realtime.counted import Counted, is_interrupted, let_go
from realtime.events import header
from realtime.fold import Fold
from realtime.idleness import Idleness
from realtime.items import Item, Role
from realtime.packing import is_settled, packed, unpack_into
from realtime.responses import Response
from realtime.usage import audio_tokens_said

UPSTREAM, OBSERVER = "upstream", "observer"
ATTACHED = "observer.attached"


@dataclass(frozen=True)
class Turn:
    """One message of the conversation, or one call of a tool. Times are UTC milliseconds by the observer's clock.

    `text`: what was typed, transcribed or generated; a truncation does not shorten it. A tool's is empty. `status`:
    in_progress, completed, cancelled, failed, incomplete, or None. `reason`: why it was cancelled or is incomplete
    (turn_detected, client_cancelled, max_output_tokens, content_filter). `error`: the code of what failed.
    `transcription` (of what a user spoke): pending, completed, failed, off; None for what was typed. `usage`: of the
    whole response that this turn belongs to. `changed_seq`: the last event that changed this turn. `order`: its place
    in the conversation, from 0. An audible turn starts and ends with its sound, where the upstream tells of it.

    The three spans stand at one turn of a response, the first that the model said. `response_gap_ms`: from
    `input_audio_buffer.speech_stopped` to `output_audio_buffer.started` of this response. `perceived_gap_ms`: to the
    same, from the end of speech on the buffer's clock, which `gaps.py` maps to ours: an estimate.
    `generation_start_ms`: from `response.created` to the first delta of its output.

    `heard`, `unheard`: the two parts of `text` where its sound was cut off, by speech or by hand; both None where all
    of it was heard, or nothing tells. They are an estimate, since the upstream does not say which words were heard:
    the audible time (`output_audio_buffer.started` to `cleared`, or `audio_end_ms` of `conversation.item.truncated`,
    whichever is less) against the length of the whole, which the response's audio tokens tell (50 ms each, OpenAI's
    cost guide), else a slow rate of speech (`heard.py`). It ends at a word's end, holds no word whose text came after
    the cut, and nothing at all when the response was cancelled before any sound. `interrupted`: the caller spoke while
    it was audible and that cut it off. `audio_end_ms`: as a truncation stated it.

    `tool` (role "tool"): `{"call_id", "name", "arguments", "output", "started_at", "ended_at", "status"}`; it starts
    when its arguments are complete and ends when the conversation takes its output. A response that failed or stayed
    incomplete without any item is a turn too: of the assistant, empty, its `item_id` the response's id.
    """

    item_id: str
    role: Role
    text: str
    final: bool
    modality: str
    started_at: int | None
    ended_at: int | None
    response_id: str | None
    status: str | None
    reason: str | None
    transcription: str | None
    response_gap_ms: int | None
    perceived_gap_ms: int | None
    generation_start_ms: int | None
    heard: str | None
    unheard: str | None
    interrupted: bool
    audio_end_ms: int | None
    tool: dict[str, Any] | None
    usage: dict[str, Any] | None
    error: str | None
    changed_seq: int
    order: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Conversation:
    """The turns of one call. `last_seq`: the last line of its log that was heard, of whatever source."""

    def __init__(self) -> None:
        self.last_seq = 0
        self._fold, self._counted = Fold(), Counted()

    def hear(self, seq: int, at: int, source: str, raw: bytes) -> None:
        """One line of the log; one that was heard already is passed over. Of other lines than the upstream's only those
        mean anything here that tell of its line: what went on before may have ended unheard."""
        if seq <= self.last_seq:
            return
        self.last_seq = seq
        if source == UPSTREAM:
            self._fold.hear(seq, at, raw)
        elif source == OBSERVER and header(raw).type == ATTACHED:
            self._fold.idleness.lost(at)

    def quiet_ms(self, now: int, since: int) -> int:
        """For how long nobody has spoken nor the model answered, counted from `since` at the earliest."""
        return self._fold.idleness.quiet_ms(now, since)

    @property
    def turns(self) -> list[Turn]:
        """All turns in the conversation's order."""
        return [self._turn(place, item) for place, item in enumerate(self._shown())]

    def changed_since(self, seq: int) -> list[Turn]:
        """The turns that an event after `seq` changed; all of them when one moved, vanished or came in between."""
        everything = self._fold.reordered_seq > seq
        shown = enumerate(self._shown())
        return [self._turn(place, item) for place, item in shown if everything or item.changed_seq > seq]

    def summary(self) -> dict[str, Any]:
        """The call in numbers: `{"turns", "user_turns", "assistant_turns", "tool_calls", "interruptions", "responses",
        "response_gap_ms", "perceived_gap_ms", "usage", "errors", "model"}`.

        `turns` are messages; calls of tools are counted apart. `responses`: by outcome. The gaps are `{"p50", "worst",
        "count"}` or None. `usage`: as in `usage.py`. `errors`: `error` events, failed responses and failed
        transcriptions. `model`: as the session echoed it, None when that was not seen.
        """
        return {
            **self._counted_by_now().as_json(),
            "usage": self._fold.usage.totals(),
            "errors": self._fold.errors,
            "model": self._fold.model,
        }

    def forget(self, keep: int) -> None:
        """For whoever wants the call in numbers, and not its turns: let go of all but the newest items, now and then.
        What is still said about one that is gone changes no number but of a turn that is deleted."""
        if len(self._fold.items) > 2 * keep:
            let_go(self._fold, self._counted, keep)

    def packed(self) -> dict[str, Any] | None:
        """As JSON, without a word of what was said: what `unpacked` needs to go on to the same numbers, at any length
        of the call next to the same size. None while anything is going on that would be counted in two halves."""
        since = self._fold.idleness.since
        if since is None or not is_settled(self._fold):
            return None
        return {
            "last_seq": self.last_seq,
            "quiet_since": since,
            "counted": self._counted_by_now().packed(),
            **packed(self._fold),
        }

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Self:
        """A conversation that was heard up to then, of which only the numbers are known: it has no turns of before."""
        conversation = cls()
        conversation.last_seq = packed["last_seq"]
        conversation._counted = Counted.unpacked(packed["counted"])
        unpack_into(conversation._fold, packed)
        conversation._fold.idleness = Idleness(packed["quiet_since"])
        return conversation

    def _counted_by_now(self) -> Counted:
        kept = Counted()
        kept.add_turns(item.role for item in self._shown())
        kept.add_turns(self._fold.gone_turns)
        kept.add_responses(self._fold.responses.values(), self._fold.items)
        return self._counted.plus(kept)

    def _shown(self) -> Iterator[Item]:
        items = (self._fold.items[item_id] for item_id in self._fold.order.walk())
        return (item for item in items if item.is_shown)

    def _turn(self, place: int, item: Item) -> Turn:
        response = self._fold.response_of(item) or Response()
        sound = response if item.modality == "audio" else Response()
        spans = response if self._leads(item, response) else Response()
        tool = item.tool.as_json(response.status) if item.tool and item.role == "tool" else {}
        heard_text, unheard_text = self._split(item, response)
        return Turn(
            item_id=item.item_id,
            role=item.role,
            text=item.text,
            final=tool["status"] != "in_progress" if tool else item.final or response.done,
            modality=item.modality,
            started_at=tool.get("started_at") or sound.audio_started_at or item.started_at,
            ended_at=tool["ended_at"] if tool else sound.audio_ended_at or item.ended_at or response.ended_at,
            response_id=item.response_id,
            status=tool.get("status") or response.status or item.status,
            reason=response.reason,
            transcription=item.transcription,
            response_gap_ms=spans.gap.response_ms if spans.gap else None,
            perceived_gap_ms=spans.gap.perceived_ms if spans.gap else None,
            generation_start_ms=spans.generation_start_ms,
            heard=heard_text,
            unheard=unheard_text,
            interrupted=_is_sound(item) and is_interrupted(response, self._fold.items),
            audio_end_ms=item.audio_end_ms,
            tool=tool or None,
            usage=response.usage,
            error=response.error or item.error,
            changed_seq=item.changed_seq,
            order=place,
        )

    def _items(self, response: Response) -> list[Item]:
        return [item for item in map(self._fold.items.__getitem__, response.items) if item.is_shown]

    def _leads(self, item: Item, response: Response) -> bool:
        """Whether the response's spans are shown at this item: at its first words, else at its first call."""
        items = self._items(response)
        said = [candidate for candidate in items if candidate.role == "assistant"]
        return item in (said or items)[:1]

    def _split(self, item: Item, response: Response) -> tuple[str | None, str | None]:
        """What was heard of it and what was not; twice None where nothing was cut."""
        if not _is_sound(item) or not _is_cut(item, response):
            return None, None
        before_ms, length_ms = self._lengths(item, response)
        audible_ms = _audible_ms(item, response, before_ms)
        return heard.split(item.text, audible_ms / length_ms if length_ms else 0.0, item.known_at_cut)

    def _lengths(self, item: Item, response: Response) -> tuple[float, float]:
        """How many milliseconds of its response sound before this item, and how many this item sounds."""
        spoken = [other for other in self._items(response) if _is_sound(other)]
        units = {other.item_id: heard.weigh(other.text) for other in [*spoken, item]}
        total, tokens = sum(units.values()), audio_tokens_said(response.usage)
        lengths = {
            item_id: heard.spoken_ms(unit, unit / total if total else 0.0, tokens)
            for item_id, unit in units.items()
        }
        earlier = itertools.takewhile(lambda other: other is not item, spoken)
        return sum(lengths[other.item_id] for other in earlier), lengths[item.item_id]


def _is_sound(item: Item) -> bool:
    return item.role == "assistant" and item.modality == "audio"


def _is_cut(item: Item, response: Response) -> bool:
    return item.audio_end_ms is not None or response.cut_at is not None or response.is_silenced


def _audible_ms(item: Item, response: Response, before_ms: float) -> float:
    """How long an item that was cut off had been audible. Where nothing tells, it was not heard."""
    stated = item.audio_end_ms
    if response.cut_at is None or response.audio_started_at is None:
        return stated or 0.0
    seen = max(0.0, response.cut_at - response.audio_started_at - before_ms)
    return seen if stated is None else min(seen, stated)
