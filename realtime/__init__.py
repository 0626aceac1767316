"""How one speaks with the upstream: endpoints, sessions, events, turns and usage, all pure.

Only `client.py` (mint, negotiate, hang up) and `credential.py` (Entra ID) touch the network. Nothing here knows
our routes, our store or our processes.
"""
