"""The server's log: one line an event, on standard error."""

from typing import TextIO

import structlog


def configure_log(target: TextIO) -> None:
    """Log to `target`. Tracebacks tell no variables, which may hold what nobody is to read."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(target),
    )
