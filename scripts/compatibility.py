"""Writes docs/E2B_COMPATIBILITY.md.

With `--record` it first runs tests/compat and notes which methods of E2B's SDKs the tests call;
without, it takes that from the table of the last time.
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


def recorded() -> dict[str, set[claims.Method]]:
    """Run the tests; return what each has called."""
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder, "calls.json")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "tests/compat"],
            cwd=ROOT,
            env={**os.environ, RECORD: str(calls)},
            check=True,
        )
        told = json.loads(calls.read_text())
    return {test: {(surface, name) for surface, name in called} for test, called in told.items()}


def main() -> None:
    """Write the table, if asked to, and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="run tests/compat first")
    if parser.parse_args().record:
        packages = installed(JS)
        known = python_methods.methods() | node_methods.methods(packages)
        known |= node_methods.commands(packages)
        claims.write(claims.chosen(known, claims.read(), recorded()))
    text = page.page(claims.read(), claims.differences(), page.versions())
    (ROOT / "docs/E2B_COMPATIBILITY.md").write_text(text)


if __name__ == "__main__":
    main()
