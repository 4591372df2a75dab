"""Running programs in sandboxes, through the published E2B client."""

from capibara6.execution.arena import E2BArena
from capibara6.execution.connection import ConnectionReport, check_connection
from capibara6.execution.executor import E2BExecutor
from capibara6.execution.providers import Provider, configured_provider

__all__ = [
    "ConnectionReport",
    "E2BArena",
    "E2BExecutor",
    "Provider",
    "check_connection",
    "configured_provider",
]
