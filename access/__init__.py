"""Who may do what.

Knows principals, roles and rights, and decides; knows nothing of HTTP frameworks, calls' contents or stores.
"""

from access.loopback import OPEN_LOOPBACK, from_open_loopback
from access.principal import Principal, Right, Role, may

__all__ = ["OPEN_LOOPBACK", "Principal", "Right", "Role", "from_open_loopback", "may"]
