"""Writes docs/HOSTILE_PROGRAMS.md: which layer stops which hostile program.

With `--record` it first measures, as root and for half an hour; without, it takes what was measured
last. Every measurement runs `doctor --attack` in a lab (tests/support/lab.py) against a copy of the
server in which some walls are missing (tests/support/walls_off.py): none of them, each one alone
missing, each one alone left, and all. So it does for limits, with all walls there, and never with
both cgroups and others missing: a fork bomb would take the machine. Where those of cgroups are
missing, a program may end the lab itself, so that each is measured by itself.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from support import hostile_page as pages  # noqa: E402
from support.walls_off import GROUND, LAYERS, LIMITS, copy_without  # noqa: E402

_SECONDS_MAX: Final = 900
_ALONE_S_MAX: Final = 45  # for one program that may end all others
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
        **{f"only {layer}": layers - {layer} - GROUND.get(layer, set()) for layer in LAYERS},
    }


def limits() -> dict[str, set[str]]:
    """Return, by name, the limits that are missing."""
    return {
        pages.ALL_LIMITS: set(),
        **{f"without the limits of {kind}": {kind} for kind in LIMITS},
        "only the limits of cgroups": set(LIMITS) - {"cgroups"},
    }


def measure(
    name: str, missing: set[str], data: Path, ids: list[str], options: tuple[str, ...] = ()
) -> dict[str, list[str]]:
    """Return the breaches of each program in one configuration.

    Args:
        name: of the configuration.
        missing: layers.
        data: where built templates lie.
        ids: of the programs.
        options: of the lab.

    Raises:
        RuntimeError: the server did not start, or the attack on it ended early.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        source = copy_without(missing, Path(folder))
        network = "none" if "network namespace" in missing else "public"
        lab = [
            sys.executable,
            str(ROOT / "tests/support/lab.py"),
            *options,
            "env",
            f"PYTHONPATH={source}",
        ]
        command = [sys.executable, "-c", _RUN, str(data), network, str(_SECONDS_MAX), *ids]
        path = "/usr/bin:/usr/sbin:/bin:/sbin"
        process = subprocess.Popen(  # noqa: S603 - what we have just written
            [*lab, *command],
            env={"PATH": path, "PYTHONPATH": str(ROOT / "src"), "HOME": "/root"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, complained = _heard(process, _ALONE_S_MAX if len(ids) == 1 else _SECONDS_MAX)
    if not said.startswith("{"):
        raise RuntimeError(f"{name}: {complained[-3000:]}")
    verdicts: list[dict[str, Any]] = json.loads(said)["programs"]
    return {v["id"]: v["breaches"] for v in verdicts if not v["skipped"]}


def _heard(process: "subprocess.Popen[str]", seconds_max: float) -> tuple[str, str]:
    """Return what a lab says; one that takes too long is told to clear itself away."""
    try:
        return process.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        return "", f"it took more than {seconds_max:.0f} s"


def measure_limits(
    name: str, missing: set[str], data: Path, ids: list[str]
) -> dict[str, list[str]]:
    """Return the breaches of each program where some limits are missing, and all walls there."""
    if "cgroups" not in missing:
        return measure(name, missing, data, ids, ("--with-cgroups",))
    found = {}
    for program in ids:
        try:
            found |= measure(name, missing, data, [program], ("--with-cgroups",))
        except RuntimeError:
            found[program] = ["nothing else could run on the machine any more"]
    return found


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
    walls, bounds = configurations(), limits()
    for name, missing in (walls | bounds).items():
        if arguments.only and name not in arguments.only:
            continue
        chosen = pages.measured() if name in walls else pages.limited()
        ids = arguments.program or [program.id for program in chosen]
        act = measure if name in walls else measure_limits
        found = act(name, missing, arguments.data, ids)
        broke = sum(map(bool, found.values()))
        print(f"{name}: {broke} of {len(found)} got somewhere", flush=True)  # noqa: T201
        results.setdefault(name, {}).update(found)
        pages.RECORD.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
