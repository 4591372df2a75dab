"""What oracles may look at: one program in its sandbox, as this machine sees it."""

from dataclasses import dataclass, field

from capibara6_sandbox.attack.insides import Insides
from capibara6_sandbox.attack.programs import Program


@dataclass(slots=True)
class Ceilings:
    """What the sandbox's template allows, as the provider says; 0: it does not say."""

    memory_bytes: int = 0
    cpus: float = 0
    disk_bytes: int = 0
    inodes: int = 0


@dataclass(slots=True)
class Scene:
    """What an oracle may look at."""

    program: Program
    insides: Insides
    ceilings: Ceilings
    cpu_s: float = 0.0  # that its group used while it was watched
    watched_s: float = 0.0
    memory_peak_bytes: int = 0
    processes_peak: int = 0
    server_pid: int = 0
    addresses: list[str] = field(default_factory=list)  # of this machine
