"""The README's examples: each ```sql block that is directly followed by a ```text or ```output block is executed.

The blocks of one section (from a heading to the next) run in one psql session in a fresh database, and each
prints what the block after it says, once masked and without blanks at the ends of lines.
"""

import difflib
import re
import subprocess
from dataclasses import dataclass, field

from ..cluster import Cluster
from ..masks import mask
from ..run import Trouble

FENCE = re.compile(r"^(`{3,})(\w*)\s*$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$")


@dataclass
class Example:
    line: int
    sql: str
    expected: str


@dataclass
class Section:
    title: str
    examples: list = field(default_factory=list)


def run(outcome, tree, source, server, only=None, long=False) -> None:
    readme = tree / "README.md"
    if not readme.exists():
        outcome.not_meant_to_run("There is no README.md yet.")
        return
    sections = [section for section in sections_of(readme.read_text()) if section.examples and only in (None, section.title)]
    if not sections:
        raise Trouble("README.md has no sql block that is followed by its output.")
    with Cluster(server) as cluster:
        for number, section in enumerate(sections):
            cluster.restart_if_dead()
            _run_section(outcome, section, cluster, cluster.new_database(f"docs_{number}"))


def sections_of(text: str) -> list:
    """Headings and pairs of blocks; only blank lines may stand between the two of a pair."""
    sections, fence, body = [Section("(top)")], None, []
    waiting = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if fence is not None:
            if mark and mark.group(1) == fence[0] and not mark.group(2):
                waiting = _close(sections[-1], fence, body, waiting)
                fence = None
            else:
                body.append(line)
        elif mark:
            fence, body = (mark.group(1), mark.group(2), number), []
        elif line.strip():
            waiting = None
            heading = HEADING.match(line)
            if heading:
                sections.append(Section(heading.group(1)))
    return sections


def _close(section: Section, fence: tuple, body: list, waiting):
    """End of a block: an sql block waits for its output, an output block takes the sql that waits."""
    _, language, line = fence
    if language == "sql":
        return Example(line, "\n".join(body), "")
    if language in ("text", "output") and waiting is not None:
        waiting.expected = "\n".join(body)
        section.examples.append(waiting)
    return None


def _run_section(outcome, section: Section, cluster, database: str) -> None:
    border = "==== end of block {} ===="
    script = "".join(f"{example.sql}\n\\echo\n\\echo '{border.format(number)}'\n"
                     for number, example in enumerate(section.examples))
    done = subprocess.run([cluster.server.bindir / "psql", "-X", "-d", database], input=script, text=True, env=cluster.env(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    rest = done.stdout
    for number, example in enumerate(section.examples):
        actual, found, rest = rest.partition("\n" + border.format(number) + "\n")
        if found and _lines(actual) == _lines(example.expected):
            outcome.passed += 1
            continue
        outcome.failed += 1
        difference = difflib.unified_diff(_lines(example.expected), _lines(actual), f"README.md:{example.line}", "psql",
                                          lineterm="")
        outcome.details.append(f"README.md:{example.line} ({section.title}) prints something else:\n" + "\n".join(difference))


def _lines(text: str) -> list:
    return [line.rstrip() for line in mask(text).strip("\n").split("\n")]
