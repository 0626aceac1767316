"""The one decision about rights: may this principal do this, to a call of that caller?

Knows roles and what each allows. Refuses to know how a principal proved who it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a principal is trusted with."""

    CALLER = "caller"
    OPERATOR = "operator"
    TOKEN = "token"  # noqa: S105  # the name of a role, no secret


class Right(StrEnum):
    """One thing that a route lets somebody do. Without READ_EVERYTHING, reading a call or its events shows the
    browser's view of it."""

    CONNECT = "connect"
    MINT_TOKEN = "mint_token"  # noqa: S105  # the name of a right, no secret
    LIST_CALLS = "list_calls"
    READ_CALL = "read_call"
    READ_EVENTS = "read_events"
    READ_EVERYTHING = "read_everything"
    ERASE = "erase"
    HANG_UP = "hang_up"
    REPORT = "report"
    COMMAND = "command"
    CUT_SHORT = "cut_short"
    """Only what silences the model."""


@dataclass(frozen=True)
class Principal:
    """Who a request comes from. `subject` is written on every call that it opens."""

    subject: str
    roles: frozenset[Role]


_EVERYWHERE: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(
        {
            Right.LIST_CALLS,
            Right.READ_CALL,
            Right.READ_EVENTS,
            Right.READ_EVERYTHING,
            Right.HANG_UP,
            Right.REPORT,
            Right.ERASE,
            Right.COMMAND,
            Right.CUT_SHORT,
        }
    ),
    Role.CALLER: frozenset({Right.CONNECT}),
    Role.TOKEN: frozenset({Right.MINT_TOKEN}),
}
_ON_OWN_CALLS: dict[Role, frozenset[Right]] = {
    Role.CALLER: frozenset(
        {Right.READ_CALL, Right.READ_EVENTS, Right.HANG_UP, Right.REPORT, Right.CUT_SHORT}
    ),
}


def may(principal: Principal, right: Right, caller: str | None = None) -> bool:
    """Whether the principal has the right; `caller` is the subject whose call it concerns, when one does.

    A refusal about a call must look to the outside exactly like an unknown call: the answer never tells the
    difference between "not yours" and "not there".
    """
    own = caller is not None and caller == principal.subject
    return any(
        right in _EVERYWHERE.get(role, ()) or (own and right in _ON_OWN_CALLS.get(role, ()))
        for role in principal.roles
    )


def acting_role(principal: Principal, asked: Role | None, caller: str) -> Role | None:
    """In which role the principal hangs up a call of `caller`: the one asked for, else the strongest held.

    None when the principal does not hold the role for that call.
    """
    held = [Role.OPERATOR] if Role.OPERATOR in principal.roles else []
    if Role.CALLER in principal.roles and caller == principal.subject:
        held.append(Role.CALLER)
    if asked is None:
        return held[0] if held else None
    return asked if asked in held else None
