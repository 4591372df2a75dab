"""The limits that a client may ask for with a build: those of the sandboxes that start from it."""

from typing import Final

from capibara6_sandbox.errors import BadRequestError

CPUS_DEFAULT: Final = 2
MEMORY_MB_DEFAULT: Final = 1024
_CPUS_MAX: Final = 32
_MEMORY_MB_MIN: Final = 128


def check_limits(cpu_count: int | None, memory_mb: int | None) -> tuple[int, int]:
    """Return the limits that a build shall have.

    Raises:
        BadRequestError: in E2B's words.
    """
    cpus = CPUS_DEFAULT if cpu_count is None else cpu_count
    memory = MEMORY_MB_DEFAULT if memory_mb is None else memory_mb
    if cpus < 1:
        raise BadRequestError("CPU count must be at least 1")
    if cpus > _CPUS_MAX:
        raise BadRequestError(f"CPU count must be at most {_CPUS_MAX}")
    if cpus != 1 and cpus % 2:
        raise BadRequestError("CPU count must be 1 or an even number")
    if memory < _MEMORY_MB_MIN:
        raise BadRequestError(f"Memory must be at least {_MEMORY_MB_MIN} MiB")
    if memory % 2:
        raise BadRequestError("Memory must be divisible by 2")
    return cpus, memory
