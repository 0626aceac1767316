"""What goes wrong with a store, each in one sentence that says what to do."""


class StoreUnavailable(Exception):
    """The database did not do what was asked, for now. Its text is the sentence; `__cause__` has the
    driver's error."""


class SchemaBehind(Exception):
    """The tables are not there, or are older than the code."""
