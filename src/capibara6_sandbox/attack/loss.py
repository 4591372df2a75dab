"""How a sandbox is lost to its client: what has become of it is for others to say."""

from typing import Final

import httpx
from e2b.exceptions import SandboxException

CALL_S_MAX: Final = 20.0
LOST: Final = (SandboxException, httpx.HTTPError, TimeoutError, OSError)
