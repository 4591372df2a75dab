"""The table of everything the agent can do."""

from capibara6_guest.agent import Operation
from capibara6_guest.contexts import Contexts


def operations(contexts: Contexts | None = None) -> dict[str, Operation]:
    """Return a fresh table: operation name -> coroutine function."""
    return {**(contexts or Contexts()).operations()}
