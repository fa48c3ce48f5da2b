"""Waiting for what happens at once, on a machine that may have other things to do."""

import time

# In seconds.
DEADLINE = 60


def until(condition, what: str = "it", seconds: float = DEADLINE):
    """Asks again until it is true; returns the answer."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.005)
