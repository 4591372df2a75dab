"""Writes docs/E2B_COMPATIBILITY.md.

With `--record` it first runs tests/compat and notes which methods of E2B's SDKs the tests call;
without, it takes that from the table of the last time. Tests that fail are run once more, for a
busy machine; what fails twice ends it, with nothing written. `--record tests/compat/test_one.py …`
runs some tests and keeps what the table says of all others.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from support.e2b_surface import claims, node_methods, page, python_methods  # noqa: E402
from support.e2b_surface.recording import RECORD  # noqa: E402
from support.javascript import installed  # noqa: E402

JS = ROOT / "tests/compat/js"
_SOME_FAILED = 1  # what pytest says then


def recorded(tests: list[str]) -> dict[str, set[claims.Method]]:
    """Run the tests; return what each has called.

    Raises:
        SystemExit: a test failed twice.
    """
    told: dict[str, list[list[str]]] = {}
    for again in ([], ["--last-failed", "--last-failed-no-failures=none"]):
        with tempfile.TemporaryDirectory() as folder:
            calls = Path(folder, "calls.json")
            done = subprocess.run(  # noqa: S603 - the developer's own choice
                [sys.executable, "-m", "pytest", "-q", *again, *tests],
                cwd=ROOT,
                env={**os.environ, RECORD: str(calls)},
                check=False,
            )
            told |= json.loads(calls.read_text()) if calls.exists() else {}
        if done.returncode == 0:
            return {t: {(surface, n) for surface, n in called} for t, called in told.items()}
        if done.returncode != _SOME_FAILED:
            break
    raise SystemExit(
        "Nothing was written: the tests above fail, and a method is what a test shows."
    )


def main() -> None:
    """Write the table, if asked to, and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", nargs="*", help="run these tests first; none: all of them")
    tests = parser.parse_args().record
    if tests is not None:
        packages = installed(JS)
        known = python_methods.methods() | node_methods.methods(packages)
        known |= node_methods.commands(packages)
        calls, before = recorded(tests or ["tests/compat"]), claims.read()
        found = claims.chosen(known, before, calls)
        if tests:
            found |= {m: test for m, test in before.items() if test and test not in calls}
        claims.write(found)
    text = page.page(claims.read(), claims.differences(), page.versions())
    (ROOT / "docs/E2B_COMPATIBILITY.md").write_text(text)


if __name__ == "__main__":
    main()
