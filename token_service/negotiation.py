"""How a call comes to be: the intent is written, then the upstream is asked, then the outcome is written.

Knows the order of these steps and what each failure leaves behind. Knows no HTTP of ours: connect.py reads the
offer and words the answer.

Whatever goes wrong after the upstream's 201, the call that exists there must not be left running:

    failed before anything was sent     the row says `failed`
    201, but an answer that is no SDP   the outcome is written with the wish to hang up; the observer obeys it
    201, but the store is away          nobody else can know of the call: this process hangs it up itself
    201 only after the deadline         the same
    201, but the browser is gone        the wish to hang up is written
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from call_log import calls, nodes
from call_log.call import Call
from call_log.store import Store, StoreUnavailable
from realtime.client import Client, Negotiated
from realtime.deadline import Deadline
from realtime.errors import UpstreamError, UpstreamUnreachable
from realtime.profiles import Profile
from token_service.problems import ABANDONED, Problem

log = structlog.get_logger()

CONNECT_SECONDS = 10.0
HANG_UP_SECONDS = 10.0
NO_OBSERVER = (
    "No observer is alive, and this profile's calls are recorded; start one with `python -m observer` "
    "or start everything with `switchboard up`."
)
FULL = "Every observer has as many calls as it can hold; start another one, or raise its limit of open files."


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
        self, store: Store, client: Client, kind: str, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._store, self._client, self._kind, self._clock = store, client, kind, clock
        # The upstream is asked from threads of this pool, because no timeout of a socket bounds an answer that
        # drips: the request's own thread leaves at the deadline, and what comes later is still cleaned up.
        self._upstream = ThreadPoolExecutor(max_workers=64, thread_name_prefix="upstream")

    def open(self, intent: Intent, client_is_gone: Callable[[], bool]) -> Opened:
        """Open a call. Raises Problem, UpstreamError or StoreUnavailable; no call is left behind by any."""
        call_id = self._dial(intent)
        log.info("call_dialling", call_id=call_id, profile=intent.profile.name)
        try:
            negotiated = self._ask_upstream(intent)
        except UpstreamError as error:
            self._clean_up(call_id, error)
            raise
        call = self._write_outcome(call_id, negotiated)
        self._refuse_if_over(call, client_is_gone)
        log.info("call_answered", call_id=call_id, upstream_call_id=negotiated.upstream_call_id)
        return Opened(negotiated.answer, call_id)

    def _dial(self, intent: Intent) -> str:
        call_id = calls.new_call_id()
        with self._store.writing() as db:
            if not nodes.with_room(db):
                raise Problem(503, "no_observer", FULL if nodes.live(db) else NO_OBSERVER, retry_after=2)
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
                consent=intent.consent,
                at=self._clock(),
            )
        return call_id

    def _ask_upstream(self, intent: Intent) -> Negotiated:
        deadline = Deadline(CONNECT_SECONDS)
        session = intent.profile.session_object()
        attempt = self._upstream.submit(self._client.negotiate, intent.offer, session, deadline)
        try:
            return attempt.result(timeout=CONNECT_SECONDS)
        except TimeoutError:
            attempt.add_done_callback(self._hang_up_latecomer)
            raise UpstreamUnreachable.timeout() from None

    def _hang_up_latecomer(self, attempt: Future[Negotiated]) -> None:
        failure = attempt.exception()
        late = getattr(failure, "upstream_call_id", None) if failure else attempt.result().upstream_call_id
        if late is not None:
            self.hang_up_upstream(late)

    def _clean_up(self, call_id: str, error: UpstreamError) -> None:
        log.warning("call_failed", call_id=call_id, code=error.code, upstream_status=error.upstream_status,
                    upstream_request_id=error.request_id)  # fmt: skip
        try:
            with self._store.writing() as db:
                if error.upstream_call_id is None:
                    calls.fail(db, call_id, code=error.code, detail=error.upstream_body or error.detail,
                               at=self._clock())  # fmt: skip
                else:
                    calls.answer(db, call_id, upstream_call_id=error.upstream_call_id,
                                 upstream_request_id=error.request_id, at=self._clock())  # fmt: skip
                    calls.wish_hang_up(
                        db, call_id, reason="upstream_error", by="token_service", at=self._clock()
                    )
        except StoreUnavailable:
            if error.upstream_call_id is not None:
                self.hang_up_soon(error.upstream_call_id)

    def _write_outcome(self, call_id: str, negotiated: Negotiated) -> Call:
        try:
            with self._store.writing() as db:
                call = calls.answer(db, call_id, upstream_call_id=negotiated.upstream_call_id,
                                    upstream_request_id=negotiated.request_id, at=self._clock())  # fmt: skip
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

    def _refuse_if_over(self, call: Call, client_is_gone: Callable[[], bool]) -> None:
        if call.hang_up_wished_at is not None:
            raise Problem(409, "call_ended", "Somebody hung this call up while it was being dialled.")
        if client_is_gone():
            with self._store.writing() as db:
                calls.wish_hang_up(db, call.call_id, reason="abandoned", by="token_service", at=self._clock())
            raise Problem(ABANDONED, "abandoned", "The browser left before the answer.")

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
