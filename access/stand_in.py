"""Who a test says that it is, until grants are signed: a header of the test set-up stands for somebody else.

Knows the header's form. Whoever obeys it must have been let in by the open loopback already, and told to.
"""

from __future__ import annotations

import re

from access.principal import Principal, Role

TEST_HEADER = "X-Test-Principal"
_SAID = re.compile(r"(?P<subject>[A-Za-z0-9_.@:-]{1,128})\s*;\s*roles=(?P<roles>[a-z, ]*)")


def from_test_header(said: str) -> Principal | None:
    """The principal that `subject; roles=caller,operator` names; None where it is not in that form. No role is one
    way to be somebody."""
    found = _SAID.fullmatch(said.strip())
    if found is None:
        return None
    names = [name.strip() for name in found["roles"].split(",") if name.strip()]
    if not set(names) <= set(Role):
        return None
    return Principal(found["subject"], frozenset(Role(name) for name in names))
