"""What a hostile program would go for on this machine: put there for the attack, and watched.

Secrets that no program can know, files that none may change, sockets that none may reach, a process
that none may end. Every program is judged by all of them.
"""

import contextlib
import os
import secrets
import socket
import subprocess
from pathlib import Path
from typing import Final

MARK: Final = "c6-secret-"
_BACKLOG: Final = 64
_LOG_LINES: Final = 64


def new_secret() -> str:
    """Return a text that appears nowhere else."""
    return f"{MARK}{secrets.token_hex(12)}"


class Decoys:
    """The decoys of one attack, below an empty folder; close them when it is over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = {name: new_secret() for name in ("file", "environment", "arguments")}
        self.secrets |= _machine_secrets()
        self.canary = folder / "canary"
        self.canary.write_text(self.secrets["file"])
        self.loot = folder / "loot"
        self.loot.mkdir(mode=0o777)
        self.loot.chmod(0o777)
        self._identity = self._canary_identity()
        self.addresses = _addresses()
        self._abstract = f"c6-abstract-{secrets.token_hex(8)}"
        self._sockets: dict[str, socket.socket] = {}
        self._victim = subprocess.Popen(  # noqa: S603 - a constant
            [self.secrets["arguments"], "7200"], executable="/usr/bin/sleep"
        )
        self._listen()

    def _canary_identity(self) -> tuple[int, ...]:
        status = self.canary.lstat()
        return (status.st_ino, status.st_mode, status.st_uid, status.st_mtime_ns, status.st_size)

    def _listen(self) -> None:
        self._sockets["tcp"] = tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("0.0.0.0", 0))  # noqa: S104 - whatever address leads here
        self._sockets["udp"] = udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("0.0.0.0", 0))  # noqa: S104
        with contextlib.suppress(OSError):  # no IPv6 here
            self._sockets["tcp6"] = tcp6 = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            tcp6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tcp6.bind(("::", tcp.getsockname()[1]))
        self._sockets["unix"] = unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(str(self.folder / "socket"))
        os.chmod(self.folder / "socket", 0o777)  # noqa: S103 - what shall stop programs is no mode
        self._sockets["abstract"] = abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        abstract.bind(b"\0" + self._abstract.encode())
        for opened in self._sockets.values():
            opened.setblocking(False)
            if opened.type == socket.SOCK_STREAM:
                opened.listen(_BACKLOG)

    @property
    def variables(self) -> dict[str, str]:
        """What every program is told: everything but the secrets."""
        return {
            "C6_CANARY": str(self.canary),
            "C6_LOOT": str(self.loot),
            "C6_PORT": str(self._sockets["tcp"].getsockname()[1]),
            "C6_UDP_PORT": str(self._sockets["udp"].getsockname()[1]),
            "C6_UNIX": str(self.folder / "socket"),
            "C6_ADDRESSES": " ".join(self.addresses),
            "C6_VICTIM": str(self._victim.pid),
            "C6_ABSTRACT": self._abstract,
        }

    def trespasses(self) -> list[str]:
        """Return what has happened to the decoys since the last call, for people."""
        found = []
        if not self.canary.exists() or self._canary_identity() != self._identity:
            found.append(f"the file {self.canary} was changed")
            self.canary.unlink(missing_ok=True)
            self.canary.write_text(self.secrets["file"])
            self._identity = self._canary_identity()
        for taken in self.loot.iterdir():
            found.append(f"a file appeared on this machine: {taken.name!r}")
            taken.unlink()
        for name, opened in self._sockets.items():
            if _visits(opened):
                found.append(f"the {name} socket of this machine was reached")
        state = Path(f"/proc/{self._victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state != "S":
            found.append(f"a process of this machine was signalled (now {state})")
            self._victim.kill()
            self._victim.wait()
            self._victim = subprocess.Popen(  # noqa: S603
                [self.secrets["arguments"], "7200"], executable="/usr/bin/sleep"
            )
        return found

    def found_in(self, output: str) -> list[str]:
        """Return the names of the secrets that an output holds."""
        return [f"the secret {name!r} was read" for name, s in self.secrets.items() if s in output]

    def close(self) -> None:
        """End the process and close the sockets; the folder is the caller's."""
        self._victim.kill()
        self._victim.wait()
        for opened in self._sockets.values():
            opened.close()


def _visits(opened: socket.socket) -> int:
    """Return how many came since the last look, and let them go."""
    found = 0
    with contextlib.suppress(BlockingIOError):
        while found < _BACKLOG:
            if opened.type == socket.SOCK_STREAM:
                opened.accept()[0].close()
            else:
                opened.recv(1)
            found += 1
    return found


def _addresses() -> list[str]:
    """Return addresses that lead to this machine, as far as one can tell without asking anybody."""
    found = {"127.0.0.1", "127.0.1.1"}
    with contextlib.suppress(OSError):
        found |= {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: asks which address would be used
        found.add(probe.getsockname()[0])
    return sorted(found)


def _machine_secrets() -> dict[str, str]:
    """Return texts of this machine that are long enough to be known again."""
    places = {
        "boot id": Path("/proc/sys/kernel/random/boot_id"),
        "machine id": Path("/etc/machine-id"),
    }
    found = {}
    for name, place in places.items():
        with contextlib.suppress(OSError):
            found[name] = place.read_text().strip()
    with contextlib.suppress(OSError):
        hashes = [line.split(":")[1] for line in Path("/etc/shadow").read_text().splitlines()]
        found |= {f"password {n}": text for n, text in enumerate(hashes) if len(text) > 20}
    found |= {"kernel log": _line_of_kernel_log(), "kernel address": _kernel_address()}
    return {name: value for name, value in found.items() if len(value) >= 16}


def _line_of_kernel_log() -> str:
    """Return what the kernel has logged and nobody else knows; "" if we may not know it either."""
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    lines = [""]
    with contextlib.suppress(OSError):  # nothing more is there, or the first was lost
        while len(lines) < _LOG_LINES:
            lines.append(
                os.read(log, 8192).decode(errors="replace").partition(";")[2].split("\n")[0]
            )
    os.close(log)
    return max(lines, key=len)


def _kernel_address() -> str:
    """Return where the kernel lies in memory; "" if that is hidden from us."""
    with contextlib.suppress(OSError), open("/proc/kallsyms") as symbols:
        for line in symbols:
            address, _, name = line.split()[:3]
            if name == "_text" and address.strip("0"):
                return address
    return ""
