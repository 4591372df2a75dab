"""Opens the platform for a command, showing how far a starting server is."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from capibara6.cli.terminal import messages, start_progress
from capibara6.config import Settings
from capibara6.main import Platform, open_platform
from capibara6.monitoring import configure_logging
from capibara6.supervision.server import IDLE_TIMEOUT_S
from capibara6.texts import say


@asynccontextmanager
async def opened(
    settings: Settings, language: str, idle_timeout_s: float | None = IDLE_TIMEOUT_S
) -> AsyncIterator[Platform]:
    """The open platform; the progress bar is gone before anything else is shown.

    A command that shows a run logs warnings only; a server logs as the settings say.
    """
    logging = settings.logging
    if idle_timeout_s is not None and logging.level == "info":
        logging = logging.model_copy(update={"level": "warning"})
    configure_logging(logging, settings.secrets())
    async with AsyncExitStack() as stack:
        with start_progress(language) as notify:
            opening = open_platform(settings, notify, idle_timeout_s)
            platform = await stack.enter_async_context(opening)
        if platform.degraded:
            warning = say("degraded", language, what="; ".join(platform.degraded))
            messages().print(warning, style="yellow", markup=False, soft_wrap=True)
        yield platform
