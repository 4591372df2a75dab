"""The table of everything the agent can do."""

from capibara6_guest.agent import Operation


def operations() -> dict[str, Operation]:
    """Return a fresh table: operation name -> coroutine function."""
    return {}
