"""The workloads: each module has `run(bench)`, which returns what it has found."""

from dataclasses import dataclass, field


@dataclass
class Found:
    """Tables to be shown; figures, by what they are called in bench/required.py."""

    tables: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
