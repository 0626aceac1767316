"""Why a call is over, and how certain that is. Pure decisions over what was seen; moves nothing.

A close is not an end: a clean close can be a proxy that rotates, and only a refused re-dial means that the call is
over. `stated` is what the upstream or somebody among us said outright, `probed` what a re-dial showed, `inferred`
what is merely the likeliest story.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from call_log.states import Certainty, EndReason
from realtime.fields import Event, object_of

NORMAL_CLOSURE = 1000
GOING_AWAY = 1001
BROKEN = 1006
POLICY_VIOLATION = 1008
TOO_BIG = 1009
PRIVATE_CODES = range(4000, 5000)
OVER_STATUSES = frozenset({404, 410})
SESSION_LIMIT_WORDS = ("maximum duration", "session_expired")

# Events that no sideband causes: somebody's browser must be on the line for any of them to come. (OpenAI's API
# schema: output_audio_buffer.* exist on WebRTC and SIP alone; input audio reaches a WebRTC call by RTP alone.)
SIGNS_OF_A_PEER = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "output_audio_buffer.started",
    }
)
MAYBE_SIGNS_OF_A_PEER = frozenset({"conversation.item.added", "conversation.item.created"})
"""One is, where the user's words are in it and it is none that we created."""


def shows_a_peer(type: str, event: Event | None, ours: Collection[str]) -> bool:
    """Whether an event shows that somebody's browser is on the line. `ours`: the items that this house created."""
    if type in SIGNS_OF_A_PEER:
        return True
    item = object_of(event or {}, "item")
    return type in MAYBE_SIGNS_OF_A_PEER and item.get("role") == "user" and item.get("id") not in ours


@dataclass(frozen=True)
class Ending:
    """One typed reason and its certainty (design: the states of a call)."""

    reason: EndReason
    certainty: Certainty


@dataclass(frozen=True)
class Close:
    """How a sideband closed. 1006 stands for a connection that broke without a word. `ours`: we closed it, and not the
    upstream. `size`: of the event that was too big, in bytes. `unheard`: for so many seconds before the close, what was
    said may not have arrived."""

    code: int
    reason: str
    ours: bool = False
    size: int | None = None
    unheard: float = 0.0

    @property
    def is_clean(self) -> bool:
        """The upstream said goodbye, and nothing that it said before is missing."""
        return self.code == NORMAL_CLOSURE and not self.ours

    @property
    def is_oversize(self) -> bool:
        """We closed, because an event was bigger than we take."""
        return self.code == TOO_BIG and self.ours

    @property
    def is_policy(self) -> bool:
        """The upstream refuses to serve this sideband at all: dialling again would be asking the same again."""
        return not self.ours and (self.code == POLICY_VIOLATION or self.code in PRIVATE_CODES)


@dataclass(frozen=True)
class Wish:
    """Somebody wants the call to end."""

    reason: EndReason
    by: str


def by_wish(wish: Wish) -> Ending:
    """The end of a call that was hung up as somebody wished. That nobody ever connected is only inferred."""
    return Ending(wish.reason, "inferred" if wish.reason == "never_connected" else "stated")


def by_close(close: Close, session_expired: bool) -> Ending | None:
    """What the close alone says; None where only a re-dial can tell whether the call is over.

    1001 with "maximum duration" is how the session cap was reported to arrive; a re-dial would be pointless.
    """
    limit_said = any(words in close.reason for words in SESSION_LIMIT_WORDS)
    if session_expired or (close.code == GOING_AWAY and limit_said):
        return Ending("upstream_session_limit", "stated")
    return None


def by_absence(close: Close | None, peer_seen: bool, browser_remains: bool) -> Ending:
    """The call is gone (a re-dial found nothing) after its sideband closed so.

    A clean close after a conversation is what a browser that leaves looks like from here; the upstream does not
    say so, hence `inferred`. A browser that is still there to report its line closed did not leave.
    """
    left = peer_seen and not browser_remains
    if close is not None and close.is_clean and left:
        return Ending("caller_hung_up", "inferred")
    return Ending("upstream_closed", "probed")


def not_observed(was_running: bool) -> Ending:
    """We gave up listening and hung up; `was_running` is what the upstream said to that."""
    return Ending("not_observed", "stated") if was_running else Ending("upstream_closed", "probed")
