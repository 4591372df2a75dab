"""Where this package lies: the agent was imported outside of the sandbox that it runs in."""

from pathlib import Path
from typing import Final

# Every sandbox shows the package here, read-only, so that kernels can be given files of it.
IN_SANDBOX: Final = Path("/opt/capibara6/capibara6_guest")


def package_folder() -> Path:
    """Return the package's folder as programs that are started now can see it."""
    return IN_SANDBOX if IN_SANDBOX.is_dir() else Path(__file__).parent
