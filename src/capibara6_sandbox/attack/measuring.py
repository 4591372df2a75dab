"""How much a sandbox takes while a program runs in it, by counters outside of it."""

import asyncio
import os
import time
from typing import Final

from capibara6_sandbox.attack import insides
from capibara6_sandbox.attack.scene import Scene

_PAUSE_S: Final = 0.25
_MEASURED: Final = ("memory", "processes", "processor")


def wants_measuring(scene: Scene) -> bool:
    """Whether anything of the scene must be watched while its program runs."""
    return any(oracle.partition(" ")[0] in _MEASURED for oracle in scene.program.oracles)


async def watch(scene: Scene) -> None:
    """Take readings until cancelled."""
    began_s, before_s = time.monotonic(), cpu_s(scene)
    while True:
        scene.processes_peak = max(scene.processes_peak, _processes(scene))
        scene.memory_peak_bytes = max(scene.memory_peak_bytes, _memory_bytes(scene))
        scene.watched_s = time.monotonic() - began_s
        scene.cpu_s = cpu_s(scene) - before_s
        await asyncio.sleep(_PAUSE_S)


def _processes(scene: Scene) -> int:
    group = scene.insides.group("pids")
    if group is not None:
        return _number(group / "pids.current")
    threads = (insides.status(pid).get("Threads", "0") for pid in scene.insides.processes())
    return sum(int(number) for number in threads)


def _memory_bytes(scene: Scene) -> int:
    group = scene.insides.group("memory")
    if group is not None:
        names = ("memory.max_usage_in_bytes", "memory.peak", "memory.current")
        return next((n for name in names if (n := _number(group / name))), 0)
    return sum(_resident_bytes(pid) for pid in scene.insides.processes())


def _resident_bytes(pid: int) -> int:
    fields = insides.text(pid, "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def cpu_s(scene: Scene) -> float:
    """Return the processor time that the sandbox has used."""
    for folder in scene.insides.group_folders:
        if (folder / "cpuacct.usage").exists():
            return _number(folder / "cpuacct.usage") / 1e9
        if (folder / "cpu.stat").exists() and "usage_usec" in (folder / "cpu.stat").read_text():
            return int((folder / "cpu.stat").read_text().split()[1]) / 1e6
    ticks = 0
    for pid in scene.insides.processes():
        fields = insides.text(pid, "stat").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _number(path: object) -> int:
    try:
        with open(str(path)) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
