"""How long the observer waits for what. One place; a test may pass its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds, unless the name says otherwise."""

    handshake: float = 5.0
    attach_retried: float = 15.0
    """For so long a call that can't be attached to is tried again quickly; then it is `unobserved`."""
    unobserved_kept: float = 60.0
    """For so long an unobserved call may run on; then it is hung up, since nobody answers for it."""
    never_connected: float = 60.0
    """For so long after the answer a call may show no sign of a browser."""
    first_pong: float = 5.0
    """A sideband that shows no sign of life for so long after its attach is dialled once more."""
    ping_every: float = 20.0
    pong_within: float = 20.0
    """A line that died without a word is noticed after both of these."""
    close: float = 5.0
    """Closing a socket takes no longer, whatever its peer does."""
    send: float = 5.0
    """What we say to the upstream must be taken within this; what becomes of it is not known otherwise."""
    answered: float = 10.0
    """For so long the upstream may leave a command unanswered; then what became of it is not known."""
    session_asked: float = 10.0
    """So often an upstream is asked what the session is: it may not tell us what a page has changed."""
    fresh: float = 1.5
    """Between the commit that a command is sent and its sending; whoever was stopped for longer may have lost the call
    (a lease lasts twice as long)."""
    steady: float = 10.0
    """A sideband that stood for so long may be dialled again at once when it is lost; others ever more slowly."""
    ill_at_most: int = 10
    """So often in a row a sideband may be lost soon after a `server_error`, in most of a minute; then the call is hung
    up, since nobody can hear it."""
    uncounted: float = 30.0
    """For so long a call with a limit of spend may run on while what it costs can't be counted."""
    session_longest: float = 61 * 60.0
    """The upstream ends every session after 60 minutes (OpenAI's guide; recorded on Azure): a call whose upstream id
    nobody knows is over by then."""
    first_retry: float = 0.05
    longest_retry: float = 1.0
    slow_retry: float = 15.0
    close_after_hang_up: float = 5.0
    """The upstream closes the sideband of a call that was hung up; after so long we stop waiting for that."""
    settling: float = 0.5
    """A browser's goodbye may come just after its line went dead: so long it may still say why the call ended."""
    late_attach: float = 0.25
    """A first attach later than this after the answer leaves a gap in the log."""
    dials_at_once: int = 50
    hand_over: float = 30.0
    """For so long a node that is told to stop waits for others to attach to its calls."""
    last_word: float = 10.0
    """For so long after its adoption a call's last holder may say that nothing is missing; then a gap is noted."""
    heartbeat: float = 0.5
    blocked: float = 10.0
    """An event loop that is stuck for so long will not come back: the process ends."""
    store_patience: float = 0.5
    """For so long a transaction waits for its turn; then what was heard goes to the journal meanwhile."""
    event_max_bytes: int = 16 * 1024 * 1024
    events_per_second: float = 500.0
    bytes_per_second: float = 2 * 1024 * 1024
    burst_seconds: float = 4.0
    """A call may be ahead of both rates by so much; then its socket is read no faster than that."""
    call_max_bytes: int = 256 * 1024 * 1024
    """What is recorded of one call; behind it only what tells its use and its troubles, up to a tenth more."""
    call_waiting_max_bytes: int = 4 * 1024 * 1024
    """One call's rows that wait for the store; beyond this its sideband is not read."""
    ids_remembered: int = 1_000
    """The last event ids of a call, by which a repeated event is known."""
    batch_seconds: float = 0.020
    batch_rows: int = 1_000
    waiting_max_bytes: int = 64 * 1024 * 1024
    """Rows that wait for the store; beyond this the sidebands are not read until there is room."""
    crashes: int = 3
    """After so many failures of our own code on one call, it is hung up and left alone."""
    redaction: float = 0.25
    """What a profile's patterns and function may take for one event; then their process is killed."""
    redaction_waited: float = 2.0
    """For so long an event is waited for in all, other events before it and a process that starts included."""
    redactions_waiting: int = 1_000
    redactions_waiting_bytes: int = 32 * 1024 * 1024
    """So many events of one profile wait to be redacted; of any more only the structure is kept."""
