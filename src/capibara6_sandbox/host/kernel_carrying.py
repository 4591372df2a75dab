"""What a fork gets of its source's kernels."""

from capibara6_sandbox.host.sandbox import Sandbox


async def carry_kernels(source: Sandbox, fork: Sandbox) -> None:
    """Give a fork, whose files are there already, its kernels: fresh ones, without variables.

    Raises:
        StartError, CallError, GuestLostError: a kernel could not start.
    """
    del source
    await fork.start_default_contexts()
