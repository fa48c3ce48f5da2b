"""What differs between two runs of the same statements, replaced by a name for it.

Used on both sides of every comparison of text: golden SQL, isolation specs, and the README's examples.
"""

import re

MASKS = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{40,}\b"), "<cursor>"),
    (re.compile(r'("xid"\s*:\s*)"\d+"'), r'\1"<xid>"'),
    (re.compile(r'("at"\s*:\s*)"[^"]*"'), r'\1"<at>"'),
    (re.compile(r"server process with PID \d+"), "server process with PID <pid>"),
)


def mask(text: str) -> str:
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


SENDER = re.compile(r'^(\w+: NOTIFY ".*" with payload ".*") from (?:\w+|PID \d+)$', re.M)


def without_senders(text: str) -> str:
    """Of the notifications in a spec: with the sequencer it is another process, by whatever number."""
    return SENDER.sub(r"\1", text)
