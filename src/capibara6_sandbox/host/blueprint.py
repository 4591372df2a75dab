"""What a machine is made of, before there is one."""

from dataclasses import dataclass
from typing import Final

from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.catalog import Template
from capibara6_sandbox.templates.skeleton import PATH, SYSTEM_PATH

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

# The same where all programs are an image's: nothing about a Python of ours.
_IMAGE_ENVIRONMENT: Final = {
    "PATH": SYSTEM_PATH,
    "HOME": HOME,
    "USER": "user",
    "LOGNAME": "user",
    "SHELL": "/bin/bash",
    "E2B_SANDBOX": "true",
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
    volumes: tuple[tuple[str, str], ...] = ()  # ids and paths of those that it starts with
    place: str = ""  # names its socket and its groups; "" for its id

    @property
    def environment(self) -> dict[str, str]:
        """What every program sees, below what its client sets."""
        return dict(_IMAGE_ENVIRONMENT if self.built.environment.own_system else BASE_ENVIRONMENT)
