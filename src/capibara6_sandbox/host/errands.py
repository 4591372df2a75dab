"""Work that goes on when its client has left."""

import asyncio

import structlog

from capibara6_sandbox.errors import SandboxServerError

_log = structlog.get_logger()


def heed(task: "asyncio.Task[None]") -> None:
    """Take note of how work ended that perhaps nobody waits for any more."""
    failure = None if task.cancelled() else task.exception()
    if failure is not None and not isinstance(failure, SandboxServerError):
        _log.error("task_failed", cause=repr(failure))
