"""What this package needs to know of a sandbox."""

from typing import Protocol

from starlette.requests import HTTPConnection

from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.host.machine import Machine


class EnvdSandbox(Protocol):
    """The sandbox that the outer dispatcher puts into `scope["sandbox"]`."""

    @property
    def id(self) -> str:
        """The sandbox's id, as clients know it."""

    @property
    def guest(self) -> GuestClient:
        """The way to its agent."""

    @property
    def machine(self) -> Machine:
        """What it runs on."""

    @property
    def envd_access_token(self) -> str:
        """What clients must send as X-Access-Token; empty for a sandbox that is not secured."""

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of every program in it."""

    @property
    def default_workdir(self) -> str:
        """Where programs start when the caller does not say; "" for their user's home."""

    @property
    def default_user(self) -> str:
        """Whom a call acts as that names nobody."""


def sandbox_of(connection: HTTPConnection) -> EnvdSandbox:
    """Return the sandbox that a request is for."""
    sandbox: EnvdSandbox = connection.scope["sandbox"]
    return sandbox
