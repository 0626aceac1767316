import pytest

from access import Principal, Right, Role, may
from access.principal import acting_role

ADA = Principal("ada", frozenset({Role.CALLER}))
OTTO = Principal("otto", frozenset({Role.OPERATOR}))
TOKENS = Principal("shop", frozenset({Role.TOKEN}))
BOTH = Principal("loopback", frozenset(Role))


@pytest.mark.parametrize(
    ("principal", "right", "caller", "allowed"),
    [
        (ADA, Right.CONNECT, None, True),
        (ADA, Right.READ_CALL, "ada", True),
        (ADA, Right.HANG_UP, "ada", True),
        (ADA, Right.READ_CALL, "vera", False),
        (ADA, Right.HANG_UP, "vera", False),
        (ADA, Right.READ_EVENTS, "ada", True),
        (ADA, Right.READ_EVENTS, "vera", False),
        (ADA, Right.READ_EVERYTHING, "ada", False),
        (ADA, Right.ERASE, "ada", False),
        (ADA, Right.LIST_CALLS, None, False),
        (ADA, Right.MINT_TOKEN, None, False),
        (OTTO, Right.READ_EVENTS, "ada", True),
        (OTTO, Right.READ_EVERYTHING, "ada", True),
        (OTTO, Right.ERASE, "ada", True),
        (OTTO, Right.HANG_UP, "ada", True),
        (OTTO, Right.LIST_CALLS, None, True),
        (OTTO, Right.CONNECT, None, False),
        (TOKENS, Right.MINT_TOKEN, None, True),
        (TOKENS, Right.CONNECT, None, False),
        (TOKENS, Right.READ_CALL, "shop", False),
    ],
)
def test_it_allows_each_role_its_own_and_no_more(
    principal: Principal, right: Right, caller: str | None, allowed: bool
) -> None:
    assert may(principal, right, caller) is allowed


def test_it_hangs_up_in_the_role_that_is_asked_for_else_in_the_strongest_one() -> None:
    assert acting_role(BOTH, None, "loopback") is Role.OPERATOR
    assert acting_role(BOTH, Role.CALLER, "loopback") is Role.CALLER
    assert acting_role(BOTH, Role.CALLER, "ada") is None
    assert acting_role(ADA, None, "ada") is Role.CALLER
    assert acting_role(ADA, Role.OPERATOR, "ada") is None
    assert acting_role(ADA, None, "vera") is None
