"""Stretches of the feed: 64 kB of WAL each (src/tables/stretch.rs)."""

# The number of the one that a row of event.transaction, by this alias, is in.
STRETCH = "trunc(({0}.position - '0/0') / 65536)"
