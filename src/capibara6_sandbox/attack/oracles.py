"""Oracles: functions that look from outside whether a hostile program got somewhere.

Each takes the scene of one program and yields what it found, for people; nothing is well. A program
names those that judge it beside the decoys, the machine's settings, the neighbour and the server,
which judge all of them. `unseen` names those that a provider lets nobody here ask.
"""

import contextlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from capibara6_sandbox.attack import insides
from capibara6_sandbox.attack.reach import forbidden_connections, reachable
from capibara6_sandbox.attack.scene import Scene
from capibara6_sandbox.isolation.rootfs import USER_ID

_ENDING: Final = 0x4  # a flag of what is on its way out
_FAIR_POLICIES: Final = ("0", "3", "5")  # other, batch, idle
_HARMLESS_DEVICES: Final = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}
_TERMINALS: Final = range(136, 144)
_CPU_SLACK: Final = 1.6  # bursts are allowed, and the reading takes time
_PROCESSES_SLACK: Final = 8


Oracle = Callable[[Scene, str], Iterator[str]]


def _descriptor(scene: Scene, wanted: str) -> Iterator[str]:
    for pid, fd in scene.insides.descriptors():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if wanted in os.readlink(fd):
                yield f"process {pid} holds {os.readlink(fd)}"


def _socket(scene: Scene, wanted: str) -> Iterator[str]:
    for pid, fd in scene.insides.descriptors():
        with contextlib.suppress(OSError):
            if not os.readlink(fd).startswith("socket:"):
                continue
            name = os.getxattr(fd, "system.sockprotoname").rstrip(b"\0").decode()
            if name == wanted:
                yield f"process {pid} holds a socket of the kind {name}"


def _device(scene: Scene, _: str) -> Iterator[str]:
    for pid, fd in scene.insides.descriptors():
        with contextlib.suppress(OSError):
            status = fd.stat()
            number = (os.major(status.st_rdev), os.minor(status.st_rdev))
            is_device = stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode)
            harmless = number in _HARMLESS_DEVICES or number[0] in _TERMINALS
            if is_device and not (stat.S_ISCHR(status.st_mode) and harmless):
                yield f"process {pid} holds the device {number[0]}:{number[1]}"


def _namespaces(scene: Scene, _: str) -> Iterator[str]:
    for pid in scene.insides.processes():
        for kind, own in insides.namespaces(pid).items():
            if own and own != scene.insides.namespaces[kind]:
                yield f"process {pid} is in another {kind} namespace: {own}"


def _mounts(scene: Scene, _: str) -> Iterator[str]:
    for pid in scene.insides.processes():
        mounts = insides.text(pid, "mountinfo")
        if mounts and mounts != scene.insides.mounts:
            changed = set(mounts.splitlines()) ^ set(scene.insides.mounts.splitlines())
            yield f"process {pid} sees other mounts: {sorted(changed)[:2]}"


def _root(scene: Scene, _: str) -> Iterator[str]:
    for pid in scene.insides.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            status = Path(f"/proc/{pid}/root").stat()
            if (status.st_dev, status.st_ino) != scene.insides.root:
                yield f"process {pid} has another root directory"


def _rights(scene: Scene, _: str) -> Iterator[str]:
    """A user's program became somebody else, or got a capability."""
    base = _uid_base(scene.insides.agent)
    for pid in scene.insides.processes():
        fields = insides.status(pid)
        if not fields:
            continue
        uids = set(fields["Uid"].split()) | set(fields["Gid"].split())
        if uids - {str(base + USER_ID)}:
            yield f"process {pid} has the ids {sorted(uids)}"
        if int(fields["CapEff"], 16) | int(fields["CapPrm"], 16):
            yield f"process {pid} has the capabilities {fields['CapEff']}"


def _gained(scene: Scene, name: str) -> Iterator[str]:
    """A program that was started as the user runs as somebody else, or has a capability."""
    user = str(_uid_base(scene.insides.agent) + USER_ID)
    for pid in scene.insides.processes():
        fields = insides.status(pid)
        if fields.get("Name") != name:
            continue
        if set(fields["Uid"].split()) | set(fields["Gid"].split()) != {user}:
            yield f"process {pid} ({name}) has the ids {fields['Uid'].split()}"
        if int(fields["CapEff"], 16):
            yield f"process {pid} ({name}) has the capabilities {fields['CapEff']}"


def _uid_base(agent: int) -> int:
    if insides.namespace(agent, "user") == insides.namespace(os.getpid(), "user"):
        return 0
    inside, outside, count = insides.text(agent, "uid_map").split()[:3]
    single = count == "1"
    return int(outside) - int(inside) if not single else os.getuid() - USER_ID


def _tracer(scene: Scene, _: str) -> Iterator[str]:
    for pid in (scene.insides.agent, *scene.insides.processes()):
        tracer = insides.status(pid).get("TracerPid", "0")
        if tracer != "0":
            yield f"process {pid} is traced by {tracer}"


def _limits(scene: Scene, _: str) -> Iterator[str]:
    ours = _hard_limits(scene.insides.agent)
    for pid in scene.insides.processes():
        for name, limit in _hard_limits(pid).items():
            if limit > ours.get(name, limit):
                yield f"process {pid} has raised {name} to {limit}"


def _hard_limits(pid: int) -> dict[str, float]:
    found = {}
    for line in insides.text(pid, "limits").splitlines()[1:]:
        cells = re.split(r"\s{2,}", line.strip())
        if len(cells) >= 3:
            found[cells[0]] = float("inf") if cells[2] == "unlimited" else float(cells[2])
    return found


def _scheduling(scene: Scene, _: str) -> Iterator[str]:
    ours = _stat(scene.insides.agent)
    for pid in scene.insides.processes():
        fields = _stat(pid)
        if not fields:
            continue
        if fields[38] not in _FAIR_POLICIES:
            yield f"process {pid} is scheduled by policy {fields[38]}"
        if int(fields[16]) < int(ours[16]):
            yield f"process {pid} has the niceness {fields[16]}"
        spared, own = (insides.text(p, "oom_score_adj") for p in (pid, scene.insides.agent))
        if spared and int(spared) < int(own):
            yield f"process {pid} is spared when memory is short ({spared.strip()})"


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on: the third is number 0."""
    return insides.text(pid, "stat").rpartition(")")[2].split()


def _personality(scene: Scene, _: str) -> Iterator[str]:
    for pid in scene.insides.processes():
        value = insides.text(pid, "personality").strip()
        if value and int(value, 16):
            yield f"process {pid} has the personality {value}"


def _processes(scene: Scene, limit: str) -> Iterator[str]:
    if scene.processes_peak > int(limit) + _PROCESSES_SLACK:
        yield f"{scene.processes_peak} processes and threads, of {limit} allowed"


def _memory(scene: Scene, _: str) -> Iterator[str]:
    allowed = scene.ceilings.memory_bytes
    if allowed and scene.memory_peak_bytes > allowed * 1.1:
        yield f"{scene.memory_peak_bytes >> 20} MiB of memory, of {allowed >> 20} allowed"


def _processor(scene: Scene, _: str) -> Iterator[str]:
    allowed = scene.ceilings.cpus
    if allowed and scene.cpu_s > allowed * scene.watched_s * _CPU_SLACK + 0.3:
        yield f"{scene.cpu_s:.1f} s of processor time in {scene.watched_s:.1f} s, of {allowed}"


def _disk(scene: Scene, _: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        held = os.statvfs(f"/proc/{scene.insides.agent}/root")
        used = (held.f_blocks - held.f_bfree) * held.f_frsize
        allowed = scene.ceilings.disk_bytes
        if allowed and used > allowed * 1.1:
            yield f"{used >> 20} MiB on the disk, of {allowed >> 20} allowed"


def _inodes(scene: Scene, _: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        held = os.statvfs(f"/proc/{scene.insides.agent}/root")
        allowed = scene.ceilings.inodes
        if allowed and held.f_files - held.f_ffree > allowed * 1.1:
            yield f"{held.f_files - held.f_ffree} files, of {allowed} allowed"


def _open_files(scene: Scene, limit: str) -> Iterator[str]:
    held = Counter(pid for pid, _ in scene.insides.descriptors())
    yield from (f"process {pid} holds {n} files" for pid, n in held.items() if n > int(limit))


def _locked(scene: Scene, limit: str) -> Iterator[str]:
    for pid in scene.insides.processes():
        locked_kb = int(insides.status(pid).get("VmLck", "0 kB").split()[0])
        if locked_kb * 1024 > int(limit):
            yield f"process {pid} has locked {locked_kb} kB of memory"


def _keys(scene: Scene, _: str) -> Iterator[str]:
    base = _uid_base(scene.insides.agent)
    if (
        base + USER_ID == os.geteuid()
    ):  # a server of one id: whose own keys are counted too: only names tell them apart
        found = [line for line in _lines("/proc/keys") if "c6-attack" in line]
        yield from (f"a key of the program is left in the kernel: {line}" for line in found)
        return
    for line in _lines("/proc/key-users"):
        uid, counts = line.split(":")
        if base <= int(uid) < base + 65536 and base > 0:
            yield f"user {uid} of the sandbox holds keys of the kernel: {counts.split()[1]}"


def _lines(path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(path).read_text().splitlines()
    return []


def _egress(scene: Scene, _: str) -> Iterator[str]:
    yield from forbidden_connections(scene.server_pid, scene.insides)


def _listens(scene: Scene, port: str) -> Iterator[str]:
    yield from reachable(int(port), scene.addresses)


def _agent(scene: Scene, _: str) -> Iterator[str]:
    """The agent was ended or stopped by a program."""
    fields = _stat(scene.insides.agent)
    if not fields or int(fields[6]) & _ENDING:
        yield "the agent was ended"
    elif fields[0] in ("T", "t"):
        yield "the agent was stopped"


ORACLES: Final[dict[str, Oracle]] = {
    "agent": _agent,
    "descriptor": _descriptor,
    "device": _device,
    "disk": _disk,
    "egress": _egress,
    "gained": _gained,
    "inodes": _inodes,
    "keys": _keys,
    "limits": _limits,
    "listens": _listens,
    "locked": _locked,
    "memory": _memory,
    "mounts": _mounts,
    "namespaces": _namespaces,
    "open-files": _open_files,
    "personality": _personality,
    "processes": _processes,
    "processor": _processor,
    "rights": _rights,
    "root": _root,
    "scheduling": _scheduling,
    "socket": _socket,
    "tracer": _tracer,
}


def judge(scene: Scene) -> list[str]:
    """Return what the program's own oracles found."""
    found: list[str] = []
    for oracle in scene.program.oracles:
        name, _, argument = oracle.partition(" ")
        if name in ORACLES:
            found += list(ORACLES[name](scene, argument))[:3]
    return found
