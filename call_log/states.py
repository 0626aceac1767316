"""The states of a call and what may follow what: the one table that every statement in `calls` reads.

It knows no SQL. An illegal transition never reaches the database's rows, because each update carries
`before(...)` in its WHERE.
"""

from typing import Literal, get_args

State = Literal["dialling", "answered", "observed", "unobserved", "ended", "failed"]

EndReason = Literal[
    "caller_hung_up",
    "operator_hung_up",
    "policy_duration",
    "policy_idle",
    "policy_spend",
    "policy_turns",
    "policy_tamper",
    "policy_guardrail",
    "not_observed",
    "upstream_session_limit",
    "upstream_error",
    "upstream_closed",
    "never_connected",
    "abandoned",
    "unknown",
]

Certainty = Literal["stated", "probed", "inferred"]

STATES: tuple[State, ...] = get_args(State)

# `dialling → unobserved` is an answer whose upstream id nobody learned: answered and unobserved in one step.
TRANSITIONS: dict[State, frozenset[State]] = {
    "dialling": frozenset({"answered", "unobserved", "failed"}),
    "answered": frozenset({"observed", "unobserved", "ended"}),
    "unobserved": frozenset({"observed", "ended"}),
    "observed": frozenset({"ended"}),
    "ended": frozenset(),
    "failed": frozenset(),
}


def before(state: State) -> list[State]:
    """The states that may move to `state`."""
    return [earlier for earlier in STATES if state in TRANSITIONS[earlier]]


def before_or_same(state: State) -> list[State]:
    """The same, and `state` itself unless it is final: a new holder says `observed` again, nobody ends
    twice."""
    return before(state) + ([state] if TRANSITIONS[state] else [])
