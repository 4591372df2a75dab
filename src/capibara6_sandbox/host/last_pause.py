"""What becomes of a sandbox that shall be paused when its time is over, and cannot be."""

from typing import Final

import structlog

from capibara6_sandbox.errors import SandboxServerError, UnsavableError
from capibara6_sandbox.host.journal import Journal
from capibara6_sandbox.host.sandbox import Sandbox

UNSAVABLE_TIMES_MAX: Final = 3

_log = structlog.get_logger()


def gets_more_time(sandbox: Sandbox, cause: SandboxServerError, journal: Journal) -> bool:
    """Tell of it; return whether the sandbox lives on for another timeout, and is tried again.

    What the machine lacks, an operator can mend meanwhile. But files that no disk can keep are the
    program's doing, which would live for ever by them.
    """
    own = isinstance(cause, UnsavableError)
    sandbox.unsavable_times += own
    # The cause names a file, and a program may call that as a secret which it was given.
    why = "what it has written cannot be saved" if own else str(cause)
    _log.error("auto_pause_failed", sandbox_id=sandbox.id, cause=why)
    journal.note(sandbox.id, "Sandbox could not be paused")
    return sandbox.unsavable_times < UNSAVABLE_TIMES_MAX
