"""Measures files of 1 GB in and out of a sandbox, through the published SDK.

    .venv/bin/python bench/files.py [--megabytes 1000] [--runs 3] [--only upload]

The floor is `cp` of the same file, in memory, as a sandbox's files are. Memory is by how much the
server's own process and the sandbox's agent grew at their peak over what they held before.
Processor time, which tells more than speed on a busy machine, is for each GB. Nothing is asserted.
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from e2b_code_interpreter import Sandbox

from processes import command_name, descendants
from servers import Server, real_server

MB = 1_000_000
MEMORY = Path("/dev/shm")
PLACE = "/home/user/file"
RANGES = 10
Way = Callable[[], int]


@dataclass(frozen=True)
class Moved:
    """One way's speeds, in MB/s; growth of server and agent; processor time for each GB."""

    name: str
    speeds: list[float]
    grown_mb: tuple[float, float]
    cpu_s: tuple[float, float, float]  # of client, server and agent


def main() -> None:
    """Measure, print."""
    arguments = _arguments()
    with TemporaryDirectory(dir=MEMORY) as folder, real_server("no pool", 0) as server:
        file = _file(Path(folder), arguments.megabytes)
        floor = statistics.median(_copy(file) for _ in range(arguments.runs + 2))
        with Sandbox.create("machine_learning", timeout=3600, **server.sdk) as sandbox:
            moved = [
                _moved(name, way, arguments.runs, server)
                for name, way in _ways(sandbox, file).items()
                if arguments.only in name
            ]
    print(f"{arguments.megabytes} MB, {arguments.runs} runs each, load {os.getloadavg()[0]:.1f}")
    print(f"{'':43}   peak, MB:       CPU seconds a GB:")
    print(
        f"{'':22} {'MB/s':>6} {'slowest':>7} {'of cp':>5} {'server':>8} {'agent':>5}"
        f"  {'client':>7} {'server':>6} {'agent':>5}"
    )
    print(f"{'cp':22} {floor:6.0f}")
    for way in moved:
        median = statistics.median(way.speeds)
        server_mb, agent_mb = way.grown_mb
        print(
            f"{way.name:22} {median:6.0f} {min(way.speeds):7.0f} {median / floor:5.2f} "
            f"{server_mb:8.1f} {agent_mb:5.1f}  " + "{:7.2f} {:6.2f} {:5.2f}".format(*way.cpu_s)
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="ways with this in their names")
    return parser.parse_args()


def _file(folder: Path, megabytes: int) -> Path:
    """Make a file like a table of measurements: gzip makes it some four times smaller."""
    table = b"".join(b"%d,%d,%.3f\n" % (n, n * 7919 % 1000, n / 7) for n in range(60_000))[:MB]
    file = folder / "file"
    with file.open("wb") as writer:
        for _ in range(megabytes):
            writer.write(table)
    return file


def _copy(file: Path) -> float:
    copy = file.with_name("copy")
    begun = time.perf_counter()
    subprocess.run(["cp", file, copy], check=True)
    passed = time.perf_counter() - begun
    copy.unlink()
    return file.stat().st_size / MB / passed


def _ways(sandbox: Sandbox, file: Path) -> dict[str, Way]:
    """Return what is measured, by name; each returns how many bytes it moved."""
    size = file.stat().st_size

    def upload(**how: bool) -> int:
        with file.open("rb") as content:
            sandbox.files.write(PLACE, content, request_timeout=600, **how)
        return size

    def download(*, gzip: bool = False) -> int:
        pieces = sandbox.files.read(PLACE, format="stream", gzip=gzip, request_timeout=600)
        return sum(len(piece) for piece in pieces)

    def signed_upload() -> int:
        with file.open("rb") as content:
            url = sandbox.upload_url(PLACE)
            httpx.post(url, files={"file": ("file", content)}, timeout=600).raise_for_status()
        return size

    return {
        "upload, octet-stream": upload,
        "upload, multipart": lambda: upload(use_octet_stream=False),
        "upload, signed URL": signed_upload,
        "upload, gzip": lambda: upload(gzip=True),
        "download": download,
        "download, signed URL": lambda: _get(sandbox.download_url(PLACE), {}),
        f"download, {RANGES} ranges": lambda: _ranges(sandbox.download_url(PLACE), size),
        "download, gzip": lambda: download(gzip=True),
    }


def _ranges(url: str, size: int) -> int:
    step = size // RANGES
    return sum(
        _get(url, {"Range": f"bytes={start}-{min(size, start + step) - 1}"})
        for start in range(0, size, step)
    )


def _get(url: str, headers: dict[str, str]) -> int:
    with httpx.stream("GET", url, headers=headers, timeout=600) as reply:
        reply.raise_for_status()
        return sum(len(piece) for piece in reply.iter_raw())


def _moved(name: str, way: Way, runs: int, server: Server) -> Moved:
    agents = [pid for pid in descendants(server.pid) if command_name(pid) == "c6-agent"]
    if len(agents) != 1:
        raise SystemExit(f"{len(agents)} agents were found where one sandbox runs")
    pids = (os.getpid(), server.pid, agents[0])
    speeds, bytes_moved = [], 0
    before = [_processor_s(pid) for pid in pids]
    with _growth(server.pid) as of_server, _growth(agents[0]) as of_agent:
        for _ in range(runs):
            begun = time.perf_counter()
            moved = way()
            speeds.append(moved / MB / (time.perf_counter() - begun))
            bytes_moved += moved
    used = [_processor_s(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]
    client, of_the_server, of_the_agent = (1000 * MB * seconds / bytes_moved for seconds in used)
    return Moved(name, speeds, (of_server[0], of_agent[0]), (client, of_the_server, of_the_agent))


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _growth(pid: int) -> Iterator[list[float]]:
    """Yield a list that holds, afterwards, by how many MB the process has grown at its peak."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    before, growth = _resident_mb(pid, "VmRSS"), [0.0]
    yield growth
    growth[0] = _resident_mb(pid, "VmHWM") - before


def _resident_mb(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise SystemExit(f"process {pid} has ended")
    return int(found[1]) * 1024 / MB


if __name__ == "__main__":
    main()
