"""The memory of Switchboard: calls, their events, their inbox, and the nodes that hold them.

It knows SQL and nothing of the upstream's protocol: an event is bytes with a name. Whoever writes imports
`calls`, `events`, `inbox` or `nodes` and passes a connection from `store.Store`; nobody else in the house
touches the database.
"""
