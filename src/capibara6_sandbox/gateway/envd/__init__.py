"""envd, E2B's in-sandbox daemon (port 49983): files and programs of one sandbox over HTTP.

`create_envd_app` is served behind a dispatcher that finds the sandbox and puts it into
`scope["sandbox"]` (see `sandbox.EnvdSandbox`); this package knows nothing of other sandboxes.
"""

from capibara6_sandbox.gateway.envd.access import SIGNED_OPERATIONS, signature_matches
from capibara6_sandbox.gateway.envd.app import create_envd_app
from capibara6_sandbox.gateway.envd.sandbox import EnvdSandbox

__all__ = ["SIGNED_OPERATIONS", "EnvdSandbox", "create_envd_app", "signature_matches"]
