"""Container runtimes by name: how each is called. Standard library only: the nursery imports this.

Every runtime runs inside a sandbox's own namespaces, whose ids, mounts, network and processes are
walled in already, so it is told to leave limits and networks alone.
"""

import shutil
from dataclasses import dataclass
from typing import Final

NAMESPACES: Final = "namespaces"  # no runtime: the sandbox is a fork behind our own walls
PROGRAM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Runtime:
    """One OCI runtime's command line."""

    name: str
    program: str
    options: tuple[str, ...] = ()  # before the command
    own_kernel: bool = False  # whether system calls of programs end in it, not in the host's kernel
    host_tasks: int = 1  # processes and threads of the host that one of a program's may take

    def command(self, state: str, verb: str, *arguments: str) -> list[str]:
        """Return the words of one command: create, start, run, pause, resume, kill, delete, state.

        Args:
            state: the folder in which it remembers its containers.
            verb: which command.
            arguments: its own options, and the container's id.
        """
        return [self.program, "--root", state, *self.options, verb, *arguments]

    def find(self) -> str | None:
        """Return where its program lies, as sandboxes' supervisors see it; None if nowhere."""
        return shutil.which(self.program, path=PROGRAM_PATH)


KNOWN: Final = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            "gvisor",
            "runsc",
            # Its network is the sandbox's own namespace, where nothing is but the way out.
            ("--ignore-cgroups", "--network=host", "--host-uds=all", "--platform=ptrace"),
            own_kernel=True,
            host_tasks=4,
        ),
        Runtime("crun", "crun", ("--cgroup-manager=disabled",)),
        Runtime("runc", "runc", ("--rootless=true",)),
    )
}


def find_runtime(name: str) -> Runtime:
    """Return a runtime by its name; an unknown one is called as runc is, by that name."""
    return KNOWN.get(name) or Runtime(name, name)


def is_container(isolation: str) -> bool:
    """Whether a template's isolation names a runtime, and not our own namespaces."""
    return isolation not in ("", NAMESPACES)
