"""Whether a model fits into the memory of this machine, or of the container we are in."""

from pathlib import Path
from typing import Final

from capibara6.errors import ModelFileError
from capibara6.local_models.registry import LocalModel

_WORK_BYTES: Final = 400 * 1024 * 1024  # Python, llama.cpp and what it computes in
_GIB: Final = 1024**3
_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_of_machine(facts: Path = Path("/proc/meminfo")) -> tuple[int, int]:
    """All memory, and what is free or could be, in bytes; a container's limit counts for both."""
    values = {}
    for line in facts.read_text().splitlines():
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0]) * 1024
    limit = min((_limit(file) for file in _CGROUP_LIMITS), default=2**63)
    return min(values["MemTotal"], limit), min(values["MemAvailable"], limit)


def check_fits(model: LocalModel, *, now: bool, facts: Path = Path("/proc/meminfo")) -> None:
    """See that a model can be served.

    Args:
        model: which.
        now: compare with what is free now, not with all memory.
        facts: the kernel's, in the form of /proc/meminfo.

    Raises:
        ModelFileError: it cannot.
    """
    whole, free = memory_of_machine(facts)
    there = free if now else whole
    needed = model.memory_bytes + _WORK_BYTES
    if needed <= there:
        return
    what = "is free now" if now else "is there"
    raise ModelFileError(
        str(model.file),
        f"it takes {needed / _GIB:.1f} GiB of memory with a context of {model.context_tokens:,} "
        f"tokens, and {there / _GIB:.1f} GiB {what}",
        "Take a smaller model, one quantised further, or a smaller --context.",
    )


def data_bytes_max(model: LocalModel) -> int:
    """What the process may have in memory besides the model's file."""
    cache = model.about.cache_bytes(model.context_tokens)
    return 2 * cache + 4 * _WORK_BYTES + model.about.size_bytes // 2


def _limit(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return 2**63
