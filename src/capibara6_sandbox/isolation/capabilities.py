"""The capabilities that a sandbox's root keeps, all of them bounded by its own user namespace.

Numbers from linux/capability.h. Standard library only: zygotes import this.
"""

from typing import Final

# What installing packages and serving as several users takes; a subset of what containers keep.
NAMES: Final = {
    0: "CAP_CHOWN",
    1: "CAP_DAC_OVERRIDE",
    3: "CAP_FOWNER",
    4: "CAP_FSETID",
    5: "CAP_KILL",
    6: "CAP_SETGID",
    7: "CAP_SETUID",
    10: "CAP_NET_BIND_SERVICE",
}
SANDBOX_ROOT: Final = frozenset(NAMES)

NONE: Final[frozenset[int]] = frozenset()
