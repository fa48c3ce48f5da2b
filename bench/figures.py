"""Figures: interleaved rounds, medians with their quartiles, ratios round by round, and tables of them."""

import statistics
from dataclasses import dataclass, field


def rounds(contenders: list, measure, count: int) -> dict:
    """`measure(contender)`, a dict, for each of them, `count` times in turn, so that a machine that slows down slows all
    of them; the first round warms up and is dropped."""
    figures = {contender.name: [] for contender in contenders}
    for number in range(count + 1):
        for contender in contenders:
            figure = measure(contender)
            if number > 0:
                figures[contender.name].append(figure)
    return figures


def quartiles(values: list) -> tuple:
    """(lower quartile, median, upper quartile)."""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def spread(values: list, digits: int) -> str:
    low, middle, high = quartiles(values)
    return f"{middle:,.{digits}f} [{low:,.{digits}f} … {high:,.{digits}f}]"


def values(figures: dict, name: str, key: str) -> list:
    """What a contender has in each round; nothing if it was left out, or has no such figure."""
    return [figure[key] for figure in figures.get(name, []) if key in figure]


def ratios(figures: dict, name: str, base: str, key: str) -> list:
    """Round by round."""
    return [value / of for value, of in zip(values(figures, name, key), values(figures, base, key))]


def differences(figures: dict, name: str, base: str, key: str) -> list:
    return [value - of for value, of in zip(values(figures, name, key), values(figures, base, key))]


@dataclass
class Column:
    """A figure of every contender; `compare`: a ratio to the first contender, the difference from it, or nothing."""

    title: str
    key: str
    digits: int = 1
    compare: str = "ratio"


@dataclass
class Table:
    title: str
    figures: dict
    columns: list
    # Counts, added up over the rounds: the column's title by the key.
    counts: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    def rows(self) -> list:
        first = next(iter(self.figures))
        heads = ["contender"]
        for column in self.columns:
            heads.append(column.title)
            if column.compare:
                heads.append({"ratio": "÷", "difference": "−"}[column.compare] + " " + first)
        rows = [heads + list(self.counts.values())]
        for name in self.figures:
            row = [name]
            for column in self.columns:
                measured = values(self.figures, name, column.key)
                row.append(spread(measured, column.digits) if measured else "")
                if column.compare == "ratio":
                    compared = ratios(self.figures, name, first, column.key)
                    row.append(spread(compared, 3) if compared else "")
                elif column.compare:
                    compared = differences(self.figures, name, first, column.key)
                    row.append(spread(compared, column.digits) if compared else "")
            for key in self.counts:
                counted = values(self.figures, name, key)
                row.append(f"{sum(counted):,}" if counted else "")
            rows.append(row)
        return rows

    def text(self) -> str:
        """Markdown that can be read in a terminal, too."""
        return "\n".join([f"**{self.title}**", "", *aligned(self.rows()), *[f"\n{note}" for note in self.notes]]) + "\n"


def aligned(rows: list) -> list:
    """A table of Markdown; the columns behind the first one are of the kind that is aligned to the right."""
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) if number == 0 else cell.rjust(width)
                               for number, (cell, width) in enumerate(zip(row, widths))) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) if number == 0 else "-" * (width + 1) + ":"
                                   for number, width in enumerate(widths)) + "|")
    return lines


MISSED = "missed"


@dataclass
class Requirement:
    """A line of what is to be reached: missed when all between the quartiles is on the wrong side."""

    work: str
    limit: float
    values: list
    unit: str = ""
    at_least: bool = True
    digits: int = 2
    # What is in the way, if it is missed.
    why: str = ""

    def row(self) -> list:
        required = f"{'≥' if self.at_least else '≤'} {self.limit:,g} {self.unit}".rstrip()
        if not self.values:
            return [self.work, required, "not measured", ""]
        return [self.work, required, spread(self.values, self.digits), self.verdict()]

    def verdict(self) -> str:
        low, middle, high = quartiles(self.values)
        if (high < self.limit) if self.at_least else (low > self.limit):
            return MISSED
        within = middle >= self.limit if self.at_least else middle <= self.limit
        return "reached" if within else "reached, within the noise"
