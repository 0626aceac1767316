"""Who may do what.

Knows principals, roles and rights, and decides; knows nothing of HTTP frameworks, calls' contents or stores.
"""

from access.loopback import OPEN_LOOPBACK, from_open_loopback
from access.principal import Principal, Right, Role, may
from access.stand_in import TEST_HEADER, from_test_header

__all__ = [
    "OPEN_LOOPBACK",
    "TEST_HEADER",
    "Principal",
    "Right",
    "Role",
    "from_open_loopback",
    "from_test_header",
    "may",
]
