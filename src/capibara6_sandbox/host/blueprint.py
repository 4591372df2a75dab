"""What a machine is made of, before there is one."""

from dataclasses import dataclass
from typing import Final

from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.catalog import Template
from capibara6_sandbox.templates.skeleton import PATH

HOME: Final = "/home/user"

# What every kernel and program of a sandbox sees, below what its client sets.
BASE_ENVIRONMENT: Final = {
    "PATH": PATH,
    "HOME": HOME,
    "USER": "user",
    "LOGNAME": "user",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "E2B_SANDBOX": "true",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VIRTUAL_ENV": "/opt/venv",
}


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a machine is made of."""

    id: str
    template: Template
    built: BuiltEnvironment
    uid_base: int  # first host id of its range; ignored where there is a single id
    privileged: bool
    layers: tuple[str, ...] = ()  # saved ones that it starts from, lowest first
    disk_bytes: int = 0  # of its writable layer; 0: what its template says
