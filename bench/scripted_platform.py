"""A whole platform for a benchmark: scripted models of an endpoint, templates that are built."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from capibara6.config import load_settings
from capibara6.main import Platform, open_platform
from capibara6.monitoring import configure_logging


@contextlib.asynccontextmanager
async def platform(home: Path, config: Mapping[str, Any]) -> AsyncIterator[Platform]:
    """A platform with its data in a folder of its own, by this configuration."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    built = Path(os.environ.get("CAPIBARA6_HOME") or Path(data, "capibara6")) / "templates"
    await asyncio.to_thread(home.mkdir)
    await asyncio.to_thread((home / "templates").symlink_to, built)
    path = home / "config.json"
    whole = {"home": str(home), "logging": {"level": "error"}, **config}
    await asyncio.to_thread(path.write_text, json.dumps(whole))
    settings = load_settings(path, dotenv=home / "no.env").model_copy(update={"home": home})
    configure_logging(settings.logging, settings.secrets())
    async with open_platform(settings, idle_timeout_s=None) as opened:
        yield opened
