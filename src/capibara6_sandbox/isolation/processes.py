"""What the descriptor of a process (a pidfd) tells. Standard library only, for the nursery."""

import re
from pathlib import Path


def process_id(pidfd: int) -> int:
    """Return a process's id as this process's /proc counts.

    Raises:
        ProcessLookupError: it has ended.
    """
    info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    found = re.search(r"^Pid:\s+(\d+)$", info, re.MULTILINE)
    if found is None:
        raise ProcessLookupError("the process has ended")
    return int(found[1])
