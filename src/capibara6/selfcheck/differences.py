"""What runtimes and providers are known to do otherwise, and why: the one list of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NO_COPIES: Final = "memory of a container cannot be copied, so what needs a copy of it is refused"
_NO_GROUPS: Final = (
    "without cgroups of the server's own, variables are not carried, and that is said"
)
_CONTAINER: Final = MappingProxyType({"snapshots": _NO_COPIES, "forks": _NO_COPIES})

# By what runs the sandboxes: name of a behaviour, and why it is not as it should be.
KNOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "namespaces": {},
    "one id": {
        "a command's variables, directory, user": (
            "a server without root has one id for a sandbox: its root and its user are the same"
        ),
        "snapshots": _NO_GROUPS,
        "forks": _NO_GROUPS,
    },
    "container": _CONTAINER,
    "gvisor": {
        **_CONTAINER,
        "ls and stat": (
            "gVisor before 2023 does not know AT_NO_AUTOMOUNT, with which coreutils 9 calls stat;"
            " a later runsc does"
        ),
    },
    "e2b": {
        "the disk ends somewhere": "its disks are larger than this writes in its time",
    },
}


def known_difference(runtime: str, behaviour: str) -> str:
    """Return why a runtime does something otherwise; "" if it is not known to."""
    return KNOWN.get(runtime, {}).get(behaviour, "")
