"""Listens on calls: claims them, attaches one sideband to each, records every event, and ends them.

One process, one event loop, one writer thread. Knows how a call is followed from its claim to its end. Opens no
call and serves no page: that is token_service's, and the two meet only in the call log.
"""

__version__ = "0.1.0"
