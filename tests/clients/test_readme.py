"""The README's Python example, run as a new user would: the block after it is what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", README, re.M | re.S)


def test_python_example(connect):
    assert EXAMPLES, "README.md has no python block that is followed by its output"
    for program, expected in EXAMPLES:
        done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ, PGDATABASE=connect().info.dbname), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        printed = [line.rstrip() for line in done.stdout.splitlines()]
        assert printed == [line.rstrip() for line in expected.splitlines()]


def test_every_guarantee_names_its_tests():
    """And each of these tests exists."""
    guarantees = README.partition("## Guarantees")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (P\d+) \|.*\| (.*) \|$", guarantees, re.M)
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert len(rows) > 10
    for promise, tests in rows:
        names = re.findall(r"`(test_\w+)`", tests)
        assert names, promise
        for name in names:
            assert f"def {name}(" in source, name
