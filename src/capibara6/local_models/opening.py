"""All local models of a data folder behind one endpoint, as tiers of the configuration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capibara6.local_models.lease import Lease
from capibara6.local_models.registry import LocalModel, Registry
from capibara6.local_models.serving import ServedModel, Tell

LOG_NAME: Final = "server.log"
LEASE_NAME: Final = "serving.json"


@dataclass(frozen=True, slots=True)
class LocalTier:
    """A model in the place of a configured tier."""

    model: LocalModel
    base_url: str
    key: str = field(repr=False)
    problem: str  # why it cannot be served; "" when it can


@asynccontextmanager
async def opened_models(home: Path, tell: Tell) -> AsyncIterator[tuple[LocalTier, ...]]:
    """The local models as tiers; their processes end with this.

    Args:
        home: the platform's data folder.
        tell: told when a model is loaded.

    Raises:
        LocalModelError: a record cannot be read.
    """
    registry = Registry(home)
    models = registry.all()
    if not models:
        yield ()
        return
    # The server's modules cost a good part of a second: only who has models pays it.
    from capibara6.local_models.endpoint import LocalEndpoint

    served = {
        model.name: ServedModel(
            model,
            registry.engine_folder,
            registry.folder(model.name) / LOG_NAME,
            tell,
            lease=Lease(registry.folder(model.name) / LEASE_NAME),
        )
        for model in models
    }
    async with LocalEndpoint(served).serving() as endpoint:
        yield tuple(
            LocalTier(one.model, endpoint.base_url, endpoint.key, one.problem())
            for one in served.values()
        )
