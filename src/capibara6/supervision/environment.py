"""What the embedded server's process may know of ours: an allow-list, never a deny-list.

The process that starts sandboxes holds no model key and no database password (DESIGN.md §2), so
that a sandbox that breaks out of its walls finds none.
"""

from collections.abc import Mapping
from typing import Final

_NAMES: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TERM",
        "COLUMNS",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        # reaching the user's systemd for a delegated cgroup
        "DBUS_SESSION_BUS_ADDRESS",
        # building templates from a package index, perhaps behind a proxy
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    }
)
_PREFIXES: Final = ("LC_", "XDG_", "PIP_", "UV_", "CAPIBARA6_SANDBOX_")


def server_environment(environment: Mapping[str, str], **added: str) -> dict[str, str]:
    """The part of `environment` that the server needs, and what is added to it."""
    passed = {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name.startswith(_PREFIXES)
    }
    return {**passed, **added}
