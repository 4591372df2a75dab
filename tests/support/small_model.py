"""The platform with the real small model: SmolLM2 in llama.cpp's server, and real sandboxes."""

import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from capibara6.config import load_settings
from capibara6.domain.requests import Request
from capibara6.local_models.registry import Registry
from capibara6.main import Platform, open_platform
from support.gguf_files import installed
from support.sandbox_server import SandboxServer

NAME = "smollm2"
TIER = "fast_response"
FOUND = installed()
needs_small_model = pytest.mark.skipif(
    FOUND is None, reason="needs llama.cpp and SmolLM2: `make local-models`"
)
_PROGRAM = b"local_models/inside/launch.py"


def data_folder_with_model(home: Path, context_tokens: int = 2048) -> Path:
    """Make `home` a data folder that has the engine and the model."""
    assert FOUND
    engine, file = FOUND
    registry = Registry(home)
    registry.add(NAME, file, TIER, context_tokens)
    if engine.exists():  # else it is installed beside the platform
        registry.engine_folder.symlink_to(engine)
    return home


@asynccontextmanager
async def platform_with_small_model(
    home: Path,
    server: SandboxServer,
    *,
    tokens_max: int = 160,
    attempts_max: int = 2,
    context_tokens: int = 2048,
) -> AsyncIterator[Platform]:
    """The platform whose only model is the small one; at its end nothing of a model is left."""
    tiers = {TIER: {"tokens_max": tokens_max}, "balanced": None, "complex": None}
    limits = {"repair_attempts_max": attempts_max}
    file = data_folder_with_model(home, context_tokens) / "config.json"
    file.write_text(json.dumps({"tiers": tiers, "limits": limits}))
    settings = load_settings(file, dotenv=home / "none.env")
    embedded = settings.embedded.model_copy(
        update={"api_url": server.url, "sandbox_url": None, "api_key": SecretStr(server.key)}
    )
    changed = {"home": home, "provider": "embedded", "embedded": embedded}
    async with open_platform(settings.model_copy(update=changed)) as platform:
        port = int(platform.local[0].base_url.split(":")[2].split("/")[0])
        yield platform
    assert model_processes() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


async def events_of(platform: Platform, run_id: str, question: str, **options: Any) -> list[Any]:
    """Everything that happens while the small model answers."""
    request = Request(run_id, question, tier=TIER, **options)
    return [event async for event in platform.pipeline.run(request)]


def model_processes(parent: int | None = None) -> list[int]:
    """The processes that hold models and were started by `parent`; None: by these tests."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if _PROGRAM not in (folder / "cmdline").read_bytes():
                continue
            status = (folder / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        if f"\nPPid:\t{parent or os.getpid()}\n" in status:
            found.append(int(folder.name))
    return found
