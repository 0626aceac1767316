"""The revisions, numbered; each says in its first line what it does."""
