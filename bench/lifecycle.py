"""Measures pauses, resumptions, snapshots and builds through the published SDK, beside floors.

    .venv/bin/python bench/lifecycle.py [--runs 20] [--builds 3] [--package cowsay]

Live forks are measured by live_fork.py. A build without cache downloads its package, as its floor
does. Nothing is asserted: the goals stand beside the figures.
"""

import argparse
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from e2b import Template
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.arguments import data_folder
from figures import Figure, Row, table
from servers import Server, floor, real_server

MEGABYTES = 200
SMALL_FILES = 20_000
_MAKE_SMALL = f"""
import os
for number in range({SMALL_FILES}):
    folder = f"small/{{number // 200}}"
    os.makedirs(folder, exist_ok=True)
    open(f"{{folder}}/{{number}}", "w").write("x" * 100)
"""
FLOOR_SERVER = "the same calls of the same SDK to a server that answers at once and does nothing"
FLOOR_COPY = f"`cp` of {MEGABYTES} MB to the disk of the server's data, forced there; or back"
FLOOR_SMALL = f"`cp -r` of {SMALL_FILES} small files to the disk of the server's data, forced there"
FLOOR_CREATE = "a create of a sandbox of code-interpreter-v1"
FLOOR_PIP = "`uv pip install` of the same package, without its cache, into an empty folder"
Samples = dict[str, list[float]]
Result = TypeVar("Result")


def main() -> None:
    """Measure all, print the table."""
    arguments = _arguments()
    with real_server("pooled", 2) as server, floor() as nothing:
        rows = [
            *_held_rows(server, nothing, arguments.runs),
            *_files_rows(server, max(2, arguments.runs // 4)),
            _small_row(server, max(2, arguments.runs // 6)),
            *_build_rows(server, arguments.builds, arguments.package),
        ]
    print(f"load {os.getloadavg()[0]:.1f}\n{table(rows)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=20, help="of pauses and snapshots")
    parser.add_argument("--builds", type=int, default=3, help="of templates, without cache")
    parser.add_argument("--package", default="cowsay", help="a small one")
    arguments = parser.parse_args()
    if arguments.runs < 2 or arguments.builds < 2:
        parser.error("--runs and --builds must be at least 2: one sample has no median")
    return arguments


def _held_rows(server: Server, nothing: Server, runs: int) -> list[Row]:
    found, lowest = _held(server, runs), _held(nothing, runs)
    rows = [
        ("a  pause, with memory", "pause", "<= 30"),
        ("b  resume, with memory", "resume", "<= 30"),
        ("c  snapshot", "snapshot", ""),
    ]
    return [
        Row(label, "ms", goal, Figure.of(found[name]), None, Figure.of(lowest[name]), FLOOR_SERVER)
        for label, name, goal in rows
    ]


def _held(server: Server, runs: int) -> Samples:
    """Pause, resume and save one sandbox; a resumed one answers before it is asked again."""
    samples: Samples = {}
    sandbox = Sandbox.create(timeout=600, **server.sdk)
    try:
        for _ in range(runs + 1):
            _timed(samples, "pause", sandbox.pause)
            _timed(samples, "resume", sandbox.connect)
            _expect(sandbox.run_code("1+1").text, "2")
            snapshot = _timed(samples, "snapshot", sandbox.create_snapshot)
            Sandbox.delete_snapshot(snapshot.snapshot_id, **server.sdk)
    finally:
        sandbox.kill()
    return {name: values[1:] for name, values in samples.items()}  # the first opens connections


def _files_rows(server: Server, runs: int) -> list[Row]:
    samples: Samples = {}
    with Sandbox.create("machine_learning", timeout=600, **server.sdk) as sandbox:
        for _ in range(runs):
            # Anew each time: what an earlier pause has saved is not saved again.
            sandbox.commands.run(f"head -c {MEGABYTES}000000 /dev/urandom > data")
            _timed(samples, "pause", lambda: sandbox.pause(keep_memory=False))
            _timed(samples, "resume", sandbox.connect)
            found = sandbox.commands.run("stat -c %s data").stdout
            _expect(found, f"{MEGABYTES}000000\n")
    rows = [(f"d  pause, {MEGABYTES} MB of files", "pause"), ("e  resume of that", "resume")]
    lowest = _copies(runs)
    return [
        Row(
            label,
            "ms",
            "<= 1000",
            Figure.of(samples[name]),
            None,
            Figure.of(lowest[name]),
            FLOOR_COPY,
        )
        for label, name in rows
    ]


def _copies(runs: int) -> Samples:
    samples: Samples = {}
    with (
        TemporaryDirectory(dir="/dev/shm") as memory,
        TemporaryDirectory(dir=data_folder()) as disk,
    ):
        source = Path(memory, "data")
        source.write_bytes(os.urandom(MEGABYTES * 1_000_000))
        for _ in range(runs):
            _timed(samples, "pause", lambda: _save(source, Path(disk, "data")))
            _timed(samples, "resume", lambda: _run("cp", Path(disk, "data"), Path(memory, "again")))
            Path(disk, "data").unlink()
    return samples


def _save(source: Path, target: Path) -> None:
    _run("cp", "-r", source, target)
    _run("sync", "-f", target)


def _small_row(server: Server, runs: int) -> Row:
    """Pause sandboxes of many small files; a new sandbox each time, for the same reason."""
    samples: Samples = {}
    for _ in range(runs):
        with Sandbox.create(timeout=600, **server.sdk) as sandbox:
            made = sandbox.run_code(_MAKE_SMALL)
            _expect(made.error, None)
            _timed(samples, "pause", lambda: sandbox.pause(keep_memory=False))
            sandbox.connect()
            found = sandbox.commands.run("find small -type f | wc -l").stdout
            _expect(found, f"{SMALL_FILES}\n")
    with (
        TemporaryDirectory(dir="/dev/shm") as memory,
        TemporaryDirectory(dir=data_folder()) as disk,
    ):
        _run("sh", "-c", f"cd {memory} && exec {sys.executable} -c '{_MAKE_SMALL}'")
        for number in range(runs):
            target = Path(disk, str(number))
            _timed(samples, "copy", lambda to=target: _save(Path(memory, "small"), to))
    label = f"d1 pause, {SMALL_FILES} small files"
    paused, copied = Figure.of(samples["pause"]), Figure.of(samples["copy"])
    return Row(label, "ms", "<= 1000", paused, None, copied, FLOOR_SMALL)


def _build_rows(server: Server, builds: int, package: str) -> list[Row]:
    samples: Samples = {}
    name = f"bench-{uuid.uuid4().hex[:8]}"
    os.environ |= {"E2B_API_URL": server.url, "E2B_API_KEY": server.key}
    recipe = Template().from_template("code-interpreter-v1").pip_install(package)
    for _ in range(builds):
        _timed(samples, "build", lambda: Template.build(recipe, name, skip_cache=True))
    again = Template().from_template("code-interpreter-v1").pip_install(package)
    Template.build(again, name)
    for _ in range(builds):
        _timed(samples, "cached", lambda: Template.build(again, name))
    for _ in range(builds):
        with TemporaryDirectory() as folder:
            _timed(samples, "pip", lambda target=folder: _run(
                sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-cache",
                "--target", target, package,
            ))  # fmt: skip
    for _ in range(builds):
        for what, template in (("create", name), ("plain", "code-interpreter-v1")):
            _timed(samples, what, lambda of=template: Sandbox.create(of, **server.sdk)).kill()
    pip, plain = Figure.of(samples["pip"]), Figure.of(samples["plain"])
    return [
        Row(f"f  build: pip install {package}", "ms", "<= 10000", Figure.of(samples["build"]), None,
            pip, FLOOR_PIP),
        Row("g  the same, cached", "ms", "<= 500", Figure.of(samples["cached"]), None,
            pip, FLOOR_PIP),
        Row("h  create a sandbox of it", "ms", "", Figure.of(samples["create"]), None,
            plain, FLOOR_CREATE),
    ]  # fmt: skip


def _timed(samples: Samples, name: str, work: Callable[[], Result]) -> Result:
    begun = time.perf_counter()
    result = work()
    samples.setdefault(name, []).append(1000 * (time.perf_counter() - begun))
    return result


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise SystemExit(f"the sandbox answered {found!r}, not {wanted!r}: nothing to measure")


if __name__ == "__main__":
    main()
