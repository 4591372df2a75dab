"""Fuzz the parsers of tests/support/fuzz_*.py with atheris, each for a while, in turn.

A finding ends its parser's turn: the input is written to --findings and printed. Add it to the
target's seeds, which `make test` tries, and mend the parser.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Fuzz every target in a process of its own; return 1 if one found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each parser")
    parser.add_argument("--findings", type=Path, default=ROOT / ".fuzzing")
    parser.add_argument("--only", default="", help="one parser, by its name")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    arguments, _ = parser.parse_known_args()
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    if arguments.child:
        _fuzz(arguments.child)
    from support.fuzz_targets import TARGETS

    arguments.findings.mkdir(exist_ok=True)
    wanted = [arguments.only] if arguments.only else sorted(TARGETS)
    failed = [name for name in wanted if not _run(name, TARGETS[name].seeds, arguments)]
    print(f"{len(wanted)} parsers, findings in: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _run(name: str, seeds: tuple[bytes, ...], arguments: argparse.Namespace) -> bool:
    print(f"--- {name}", flush=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={arguments.seconds}",
            f"-artifact_prefix={arguments.findings}/{name}-",
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-verbosity=0",
            corpus,
        ]
        command = [sys.executable, __file__, "--child", name, "--", *options]
        return subprocess.run(command, check=False).returncode == 0


def _fuzz(name: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["capibara6_sandbox", "capibara6_guest"]):
        from support.fuzz_targets import TARGETS
    options = sys.argv[sys.argv.index("--") + 1 :]
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
