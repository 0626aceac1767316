"""How a call comes to be: the intent is written, then the upstream is asked, then the outcome is written.

Knows the order of these steps and what each failure leaves behind. Knows no HTTP of ours: connect.py reads the
offer and words the answer.

Whatever goes wrong after the upstream's 201, the call that exists there must not be left running:

    failed before anything was sent     the row says `failed`
    201, but no id of the call          a call that must be recorded ends here, and its answer is withheld
    201, but nobody attaches in time    the same, and it is hung up
    201, but an answer that is no SDP   the outcome is written with the wish to hang up; the observer obeys it
    201, but the store is away          nobody else can know of the call: this process hangs it up itself
    201 only after the deadline         the same
    201, but the browser is gone        the wish to hang up is written

A call whose recording is off has no observer: this process obeys every wish of its end itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import structlog

from call_log import calls, nodes, spending
from call_log.call import Call
from call_log.states import EndReason
from call_log.store import Connection, Store, StoreUnavailable
from realtime.client import Client, Negotiated
from realtime.deadline import Deadline
from realtime.errors import UpstreamError, UpstreamUnreachable
from realtime.profiles import Profile
from token_service.problems import ABANDONED, Problem

log = structlog.get_logger()

CONNECT_SECONDS = 10.0
HANG_UP_SECONDS = 10.0
OBSERVED_WITHIN_SECONDS = 3.0
FIRST_LOOK_SECONDS = 0.005
LOOKS_APART_SECONDS = 0.05
"""How long to wait between two looks whether a call is observed: from the one to the other, half as long again each."""
OFF = "off"
NO_OBSERVER = (
    "No observer is alive, and this profile's calls are recorded; start one with `python -m observer` "
    "or start everything with `switchboard up`."
)
FULL = "Every observer has as many calls as it can hold; start another one, or raise its limit of open files."

NO_ID = "The upstream did not name the call, so that it can't be recorded; this profile allows no such call. Try again."
NOT_OBSERVED = (
    "No observer attached in time, so the call was hung up: this profile's calls are recorded from the start."
)
SPEND_LIMIT = "You have spent what this profile allows for one day; try again after midnight UTC."
ENDED_MEANWHILE = "Somebody hung this call up while it was being dialled."


OUTCOME_TRY_SECONDS = 2.5
"""Trying to write takes up to two of them; the answer should still be in time."""


def wall_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Intent:
    """What somebody wants: a call with this offer, under this profile."""

    offer: bytes
    profile: Profile
    caller: str
    metadata: str | None
    consent: str | None


@dataclass(frozen=True)
class Opened:
    """What came of it: the upstream's SDP answer, byte for byte, and the call."""

    answer: bytes
    call_id: str


class Negotiation:
    """Opens calls, one at a time per thread; shared by all of them."""

    def __init__(
        self,
        store: Store,
        client: Client,
        kind: str,
        clock: Callable[[], int] = wall_clock,
        observed_within: float = OBSERVED_WITHIN_SECONDS,
        tells: bool = False,
    ) -> None:
        """`tells`: whether the operator's webhook is to be told of the calls."""
        self._tells = tells
        self._observed_within = observed_within
        self._store, self._client, self._kind, self._clock = store, client, kind, clock
        # The upstream is asked from threads of this pool, because no timeout of a socket bounds an answer that
        # drips: the request's own thread leaves at the deadline, and what comes later is still cleaned up.
        self._upstream = ThreadPoolExecutor(max_workers=64, thread_name_prefix="upstream")

    def open(self, intent: Intent, client_is_gone: Callable[[], bool]) -> Opened:
        """Open a call. Raises Problem, UpstreamError or StoreUnavailable; no call is left behind by any."""
        deadline = Deadline(CONNECT_SECONDS)
        call_id = self._dial(intent)
        log.info("call_dialling", call_id=call_id, profile=intent.profile.name)
        try:
            negotiated = self._ask_upstream(intent, deadline)
        except UpstreamError as error:
            self._clean_up(call_id, intent.profile, error)
            raise
        call = self._write_outcome(call_id, negotiated, deadline)
        if intent.profile.recording == "required":
            self._await_observer(call, deadline)
        self._refuse_if_over(call, client_is_gone)
        log.info("call_answered", call_id=call_id, upstream_call_id=negotiated.upstream_call_id)
        return Opened(negotiated.answer, call_id)

    def _dial(self, intent: Intent) -> str:
        call_id = calls.new_call_id()
        with self._store.writing() as db:
            self._check_day(db, intent)
            if not nodes.with_room(db):
                if intent.profile.recording != OFF:
                    raise Problem(503, "no_observer", FULL if nodes.live(db) else NO_OBSERVER, retry_after=2)
                # No observer ends what is long over; somebody has to.
                now = self._clock()
                calls.end_unreachable(db, older_than=now - calls.SESSION_LONGEST_MS, at=now)
            calls.dial(
                db,
                call_id=call_id,
                profile=intent.profile.name,
                model=intent.profile.model,
                caller=intent.caller,
                upstream=self._kind,
                recording=intent.profile.recording,
                underlying=intent.profile.underlying or intent.profile.model,
                transcription=intent.profile.transcription,
                metadata=intent.metadata,
                retention_days=intent.profile.retention_days,
                webhook=self._tells,
                consent=intent.consent,
                at=self._clock(),
            )
        return call_id

    def _check_day(self, db: Connection, intent: Intent) -> None:
        """Refuse a caller who has spent what its profile allows for a day. What calls that are going on will spend is
        not known: when they use the rest up, their observers end them."""
        most = intent.profile.limits.spend_per_day if intent.profile.limits else None
        now = self._clock()
        if most is not None and spending.of_caller(db, intent.caller, spending.day_of(now)) >= most:
            left = spending.DAY_MS - now % spending.DAY_MS
            raise Problem(429, "spend_limit", SPEND_LIMIT, retry_after=math.ceil(left / 1000))

    def _ask_upstream(self, intent: Intent, deadline: Deadline) -> Negotiated:
        session = intent.profile.session_object()
        attempt = self._upstream.submit(self._client.negotiate, intent.offer, session, deadline)
        try:
            return attempt.result(timeout=deadline.remaining())
        except TimeoutError:
            attempt.add_done_callback(self._hang_up_latecomer)
            raise UpstreamUnreachable.timeout() from None

    def _hang_up_latecomer(self, attempt: Future[Negotiated]) -> None:
        failure = attempt.exception()
        late = getattr(failure, "upstream_call_id", None) if failure else attempt.result().upstream_call_id
        if late is not None:
            self.hang_up_upstream(late)

    def _clean_up(self, call_id: str, profile: Profile, error: UpstreamError) -> None:
        log.warning("call_failed", call_id=call_id, code=error.code, upstream_status=error.upstream_status,
                    upstream_request_id=error.request_id)  # fmt: skip
        try:
            with self._store.writing() as db:
                if error.upstream_call_id is None:
                    # A refusal may quote the session: where no content is kept, neither are the upstream's words.
                    said = error.upstream_body if profile.keeps_words else None
                    calls.fail(db, call_id, code=error.code, detail=said or error.detail, at=self._clock())
                else:
                    calls.answer(db, call_id, upstream_call_id=error.upstream_call_id,
                                 upstream_request_id=error.request_id, at=self._clock())  # fmt: skip
                    calls.wish_hang_up(
                        db, call_id, reason="upstream_error", by="token_service", at=self._clock()
                    )
        except StoreUnavailable:
            if error.upstream_call_id is not None:
                self.hang_up_soon(error.upstream_call_id)
        else:
            if error.upstream_call_id is not None and profile.recording == OFF:
                self.obey_soon(call_id)

    def _write_outcome(self, call_id: str, negotiated: Negotiated, deadline: Deadline) -> Call:
        try:
            call = self._answer(call_id, negotiated, deadline)
        except StoreUnavailable:
            call = None
            if negotiated.upstream_call_id is None:
                raise
        if call is None:
            # The store is away, or the intent was given up meanwhile: no observer will ever look for this call.
            if negotiated.upstream_call_id is not None:
                self.hang_up_soon(negotiated.upstream_call_id)
            raise Problem(
                503, "store_unavailable", "The call could not be written down, so it was hung up.", 2
            )
        return call

    def _answer(self, call_id: str, negotiated: Negotiated, deadline: Deadline) -> Call | None:
        """Write the outcome down; tried for as long as the browser may wait, since the call is there by now, and may
        say something: from now on, and not from when it is written down, it is counted what nobody listened to."""
        answered_at = self._clock()
        while True:
            try:
                with self._store.writing() as db:
                    return calls.answer(db, call_id, upstream_call_id=negotiated.upstream_call_id,
                                        upstream_request_id=negotiated.request_id, at=answered_at)  # fmt: skip
            except StoreUnavailable:
                if deadline.remaining() < OUTCOME_TRY_SECONDS:
                    raise
                time.sleep(LOOKS_APART_SECONDS)

    def _await_observer(self, call: Call, deadline: Deadline) -> None:
        """Hold the answer until the call is recorded: no sound can travel before the browser has it."""
        if call.upstream_call_id is None:
            with self._store.writing() as db:
                calls.end_unheld(
                    db, call.call_id, reason="not_observed", certainty="inferred", at=self._clock()
                )
            raise Problem(502, "not_observed", NO_ID)
        patience = Deadline(min(self._observed_within, deadline.remaining()))
        pause = FIRST_LOOK_SECONDS
        while not self._is_observed(call.call_id):
            if patience.passed:
                self._give_up(call, "not_observed")
                raise Problem(503, "not_observed", NOT_OBSERVED, retry_after=2)
            time.sleep(min(pause, patience.remaining()))
            pause = min(pause * 1.5, LOOKS_APART_SECONDS)

    def _is_observed(self, call_id: str) -> bool:
        """Raises Problem for a call whose end came, or is wished, meanwhile."""
        try:
            with self._store.reading() as db:
                state, is_wished = calls.standing(db, call_id)
        except StoreUnavailable:
            return False  # there is a little time for it to come back
        if is_wished:
            raise Problem(409, "call_ended", ENDED_MEANWHILE)
        if state == "ended":
            raise Problem(503, "not_observed", NOT_OBSERVED, retry_after=2)
        return state == "observed"

    def _refuse_if_over(self, call: Call, client_is_gone: Callable[[], bool]) -> None:
        if call.hang_up_wished_at is not None:
            if call.recording == OFF:
                self.obey_soon(call.call_id)
            raise Problem(409, "call_ended", ENDED_MEANWHILE)
        if client_is_gone():
            self._give_up(call, "abandoned")
            raise Problem(ABANDONED, "abandoned", "The browser left before the answer.")

    def _give_up(self, call: Call, reason: EndReason) -> None:
        """Wish the end of a call whose answer nobody gets; where no observer has it, obey that here."""
        try:
            with self._store.writing() as db:
                calls.wish_hang_up(db, call.call_id, reason=reason, by="token_service", at=self._clock())
        except StoreUnavailable:
            if call.upstream_call_id is not None:
                self.hang_up_soon(call.upstream_call_id)
            raise
        if reason == "not_observed" or call.recording == OFF:
            self.obey_soon(call.call_id)

    def obey(self, call_id: str) -> Call | None:
        """Hang up as the call's row wishes and write the end down, unless a living observer holds the call and will.
        Returns the call as it is then."""
        with self._store.reading() as db:
            call = calls.find(db, call_id)
        if call is None or call.upstream_call_id is None or not self.hang_up_upstream(call.upstream_call_id):
            return call
        with self._store.writing() as db:
            reason = cast(EndReason, call.hang_up_reason or "unknown")
            calls.end_unheld(db, call_id, reason=reason, certainty="stated", at=self._clock())
            return calls.find(db, call_id)

    def obey_soon(self, call_id: str) -> None:
        """The same from a thread of the pool, so that nobody waits for it."""
        self._upstream.submit(self.obey, call_id)

    def hang_up_soon(self, upstream_call_id: str) -> None:
        """Hang up from a thread of the pool, so that the browser's answer does not wait for it."""
        self._upstream.submit(self.hang_up_upstream, upstream_call_id)

    def hang_up_upstream(self, upstream_call_id: str) -> bool:
        """Hang up at the upstream now. False when it could not be done; the failure is logged."""
        try:
            self._client.hang_up(upstream_call_id, Deadline(HANG_UP_SECONDS))
        except UpstreamError as error:
            log.error("hang_up_failed", upstream_call_id=upstream_call_id, code=error.code)
            return False
        return True

    def close(self) -> None:
        """Let the upstream's threads finish what they have in hand."""
        self._upstream.shutdown(wait=True, cancel_futures=False)
