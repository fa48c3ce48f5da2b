"""The log as it is stored: several short changes in a row, by the layout that src/change/chunk.rs describes."""

import struct

_CHANGE = struct.Struct("<IQI")
# What a row of several changes has at most, by src/tables/log.rs.
MOST_BYTES = 1900


def changes(stored: bytes) -> list:
    """(command, arrival) of each change of a row."""
    assert stored[0] == 1, "the version"
    at, found = 1, []
    while at < len(stored):
        command, arrival, length = _CHANGE.unpack_from(stored, at)
        at += _CHANGE.size + length
        found.append((command, arrival))
    assert at == len(stored)
    return found


def rows(connection, where: str = "true") -> list:
    """(set, (command, arrival) by which it is found, bytes, changes) of each row of the log."""
    query = f"select set_id, command, arrival, changes from event.log where {where} order by set_id, command, arrival"
    return [(number, (command, arrival), len(stored), changes(stored)) for number, command, arrival, stored in connection.execute(query)]


def logged(connection, where: str = "true") -> int:
    """How many changes there are in the log."""
    return sum(len(found) for _, _, _, found in rows(connection, where))
