"""The README's Python example, run as a new user would: the block after it is what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

from harness.masks import mask  # noqa: E402

README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", README, re.M | re.S)


def test_python_example(connect):
    assert EXAMPLES, "README.md has no python block that is followed by its output"
    for program, expected in EXAMPLES:
        done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ, PGDATABASE=connect().info.dbname), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        printed = [line.rstrip() for line in done.stdout.splitlines()]
        assert printed == [line.rstrip() for line in expected.splitlines()]


def test_output_of_the_demo(connect):
    """What `make demo` prints, apart from the colours."""
    shown = re.search(r"^## make demo\n.*?^```\n(.*?)^```\n", README, re.M | re.S).group(1)
    connection = connect()
    connection.execute("drop extension pg_reldiff")
    done = subprocess.run([Path(os.environ["PG_BINDIR"]) / "psql", "-X", "-a", "-v", "ON_ERROR_STOP=1"],
                          stdin=open(ROOT / "docs" / "demo.sql"), env=dict(os.environ, PGDATABASE=connection.info.dbname),
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "\x1b[32m+ public.person" in done.stdout
    plain = re.sub("\x1b\\[[0-9]*m", "", done.stdout)
    assert [line.rstrip() for line in mask(plain).splitlines()] == mask(shown).splitlines()


def test_every_guarantee_names_its_tests():
    """And each of these tests exists."""
    guarantees = README.partition("## Guarantees")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (P\d+) \|.*\| (.*) \|$", guarantees, re.M)
    source = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    assert len(rows) > 10
    for promise, tests in rows:
        names = re.findall(r"`(test_\w+)`", tests)
        assert names, promise
        for name in names:
            assert f"def {name}(" in source, name
