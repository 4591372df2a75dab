"""Writes docs/HOSTILE_PROGRAMS.md: which layer stops which hostile program.

With `--record` it first measures, as root and for half an hour; without, it takes what was measured
last. Every measurement runs `doctor --attack` in a lab (tests/support/lab.py) against a copy of the
server in which some walls are missing (tests/support/walls_off.py): none of them, each one alone
missing, each one alone left, and all.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from support import hostile_page as pages  # noqa: E402
from support.walls_off import LAYERS, copy_without  # noqa: E402

_SECONDS_MAX: Final = 900
_RUN: Final = """
import sys
from pathlib import Path
from capibara6_sandbox.attack.command import Wishes, attack
data, network, seconds, *ids = sys.argv[1:]
serve = ("--pool", "0", "--network", network)
wishes = Wishes(
    Path(data), only=tuple(ids), serve_arguments=serve, seconds_max=float(seconds), grace_s=0.3,
    json=True,
)
sys.exit(attack(wishes))
"""


def configurations() -> dict[str, set[str]]:
    """Return, by name, the layers that are missing."""
    layers = set(LAYERS)
    return {
        pages.ALL: set(),
        pages.NONE: layers,
        **{f"without {layer}": {layer} for layer in LAYERS},
        **{f"only {layer}": layers - {layer} for layer in LAYERS},
    }


def measure(name: str, missing: set[str], data: Path, ids: list[str]) -> dict[str, list[str]]:
    """Return the breaches of each program in one configuration.

    Raises:
        RuntimeError: the server did not start, or the attack on it ended early.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        source = copy_without(missing, Path(folder))
        network = "none" if "network namespace" in missing else "public"
        lab = [sys.executable, str(ROOT / "tests/support/lab.py"), "env", f"PYTHONPATH={source}"]
        command = [sys.executable, "-c", _RUN, str(data), network, str(_SECONDS_MAX), *ids]
        path = "/usr/bin:/usr/sbin:/bin:/sbin"
        found = subprocess.run(  # noqa: S603 - what we have just written
            [*lab, *command],
            env={"PATH": path, "PYTHONPATH": str(ROOT / "src"), "HOME": "/root"},
            capture_output=True,
            text=True,
            check=False,
        )
    if not found.stdout.startswith("{"):
        raise RuntimeError(f"{name}: {found.stderr[-3000:]}")
    verdicts: list[dict[str, Any]] = json.loads(found.stdout)["programs"]
    return {v["id"]: v["breaches"] for v in verdicts if not v["skipped"]}


def main() -> None:
    """Measure if asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="measure first")
    parser.add_argument("--data", type=Path, default=Path.home() / ".local/share/capibara6")
    parser.add_argument("--only", action="append", default=[], help="one configuration")
    parser.add_argument("--program", action="append", default=[], help="one program")
    arguments = parser.parse_args()
    if arguments.record:
        _record(arguments)
    pages.PAGE.write_text(pages.page(pages.read()))


def _record(arguments: argparse.Namespace) -> None:
    results = pages.read() if pages.RECORD.exists() else {}
    ids = arguments.program or [program.id for program in pages.measured()]
    for name, missing in configurations().items():
        if arguments.only and name not in arguments.only:
            continue
        found = measure(name, missing, arguments.data, ids)
        broke = sum(map(bool, found.values()))
        print(f"{name}: {broke} of {len(found)} got somewhere", flush=True)  # noqa: T201
        results.setdefault(name, {}).update(found)
        pages.RECORD.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
