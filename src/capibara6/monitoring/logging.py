"""Setting up logging, once, at start: ours and the libraries' through one redacting pipe."""

import logging
import sys
from collections.abc import Iterable
from typing import IO

import structlog
from structlog.types import Processor

from capibara6.config import Logging
from capibara6.monitoring.redaction import Redactor

# Their debug output tells whole programs and connection details, which nobody asked for.
_QUIET = (
    "aiosqlite",
    "alembic",
    "asyncio",
    "e2b",
    "e2b_code_interpreter",
    "httpcore",
    "httpx",
    "pyqwest",
)


def configure_logging(
    settings: Logging, secrets: Iterable[str] = (), stream: IO[str] | None = None
) -> None:
    """Send all logs of the process, without secrets, to `stream`.

    Calling it again replaces what was set up before.

    Args:
        settings: level and format.
        secrets: values that must never appear (`Settings.secrets()`).
        stream: where to write; None: standard error.
    """
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                Redactor(secrets),
                _renderer(settings, colours=target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _renderer(settings: Logging, *, colours: bool) -> Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=colours)
