"""Joins the parts: the only place that chooses adapters.

Heavy modules are imported where they are used, so that a command that needs none of them, and the
help, start at once; `open_platform` imports them while the sandbox server is being found.
"""

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from capibara6 import learners
from capibara6.config import Settings, load_settings
from capibara6.domain.ports import Memory
from capibara6.domain.requests import DataFile
from capibara6.local_models.opening import opened_models
from capibara6.model_tiers import LocalTiers, available_models, spare_writers, tier_of, writers
from capibara6.pipeline import Pipeline
from capibara6.supervision.server import IDLE_TIMEOUT_S, EmbeddedServer, Notify, unnoticed
from capibara6.texts import say

if TYPE_CHECKING:
    from fastapi import FastAPI

    from capibara6.api.services import Services
    from capibara6.codegen.discovery import Discovery
    from capibara6.codegen.tiers import ModelTier
    from capibara6.execution import E2BExecutor, Provider
    from capibara6.store import Store
    from capibara6.validation.proving import Prover

log = logging.getLogger(__name__)

_INVENTORY_WAIT_S: Final = 0.5  # of a run, for the packages to be known

_HEAVY: Final = ("capibara6.execution", "capibara6.store")


@dataclass(frozen=True, slots=True)
class Platform:
    """All parts, joined and open."""

    settings: Settings
    store: "Store"
    executor: "E2BExecutor"
    pipeline: Pipeline
    prover: "Prover"
    metrics: Callable[[], bytes]  # in Prometheus's text format
    degraded: tuple[str, ...] = ()  # what the embedded server's machine does not offer
    memory: Memory | None = None  # the playbook
    tiers: tuple["ModelTier", ...] = ()  # models that answer now
    local: LocalTiers = ()  # local models, in the places of tiers

    def services(self) -> "Services":
        """What the HTTP face needs of it."""
        from capibara6.api.services import Services

        return Services(
            self.settings,
            self.pipeline,
            self.prover,
            profile,
            self.store,
            self.metrics,
            self.degraded,
        )


@asynccontextmanager
async def open_platform(
    settings: Settings,
    notify: Notify = unnoticed,
    idle_timeout_s: float | None = IDLE_TIMEOUT_S,
) -> AsyncIterator[Platform]:
    """Open everything, with the embedded server running if it is the provider.

    Args:
        settings: which adapters, and their limits.
        notify: told how far a starting server is.
        idle_timeout_s: a server started here ends after so long without a sandbox; None: it ends
            with this platform.

    Raises:
        ConfigurationError: the database or a setting cannot be used.
        MissingKeyError: a configured model tier or the provider has no key.
        ProviderUnreachableError: the embedded server does not start.
    """
    async with AsyncExitStack() as stack:
        server = embedded_server(settings, idle_timeout_s)
        if server and idle_timeout_s is None:
            stack.push_async_callback(server.stop)
        local = await stack.enter_async_context(opened_models(settings.home, notify))
        models = await _started(settings, server, notify, local)
        yield await _join(settings, server, models, local, stack)


def create_app(settings: Settings | None = None, platform: Platform | None = None) -> "FastAPI":
    """The ASGI application, also for `uvicorn --factory capibara6.main:create_app`.

    Args:
        settings: None: as configured.
        platform: an open one, which its owner closes; None: opened and closed with the application.
    """
    from capibara6.api.application import application

    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if platform is None:
                opening = open_platform(settings, idle_timeout_s=None)
                app.state.services = (await stack.enter_async_context(opening)).services()
            else:
                app.state.services = platform.services()
            yield

    return application(settings, lifespan)


def profile(name: str, content: bytes) -> DataFile:
    """Read a data file's columns."""
    from capibara6.codegen.profiling import profile_file

    return profile_file(name, content)


def embedded_server(
    settings: Settings, idle_timeout_s: float | None = IDLE_TIMEOUT_S
) -> EmbeddedServer | None:
    """The server to supervise; None in the cloud, or when the settings name one to be used."""
    if settings.provider != "embedded" or settings.embedded.api_key is not None:
        return None
    return EmbeddedServer(settings.home, idle_timeout_s)


async def _started(
    settings: Settings, server: EmbeddedServer | None, notify: Notify, local: LocalTiers
) -> "Discovery":
    """Find or start the server; find models and import what is slow to import meanwhile."""
    imports = asyncio.create_task(asyncio.to_thread(_import, _HEAVY))
    discovery = asyncio.create_task(available_models(settings, local))
    try:
        if server:
            await server.ensure(notify)
        return await discovery
    finally:
        discovery.cancel()
        await asyncio.wait((imports, discovery))


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(name)


async def _join(
    settings: Settings,
    server: EmbeddedServer | None,
    models: "Discovery",
    local: LocalTiers,
    stack: AsyncExitStack,
) -> Platform:
    from capibara6.contest import Contest
    from capibara6.execution import E2BArena, E2BExecutor
    from capibara6.inventory import Stock
    from capibara6.monitoring import EventBus, MetricsListener
    from capibara6.repair.informed import InformedDiagnosis
    from capibara6.store import Store
    from capibara6.tuning import TunedExecutor
    from capibara6.validation.proving import Prover
    from capibara6.validation.validator import ProgramValidator

    store = await Store.open(settings.database, settings.home)
    stack.push_async_callback(store.close)
    await store.say_interrupted(lambda language: say("platform_ended", language))
    source = _provider_source(settings, server)
    executor, arena = E2BExecutor(settings, source), E2BArena(settings, source)
    stack.push_async_callback(executor.close)
    stack.push_async_callback(arena.close)
    stock = Stock(executor, _roomiest(settings), settings.home / "inventories")
    stack.push_async_callback(stock.close)
    metrics = MetricsListener()
    adviser = learners.adviser(settings, models)
    router, listening = await learners.router(settings, models, store, adviser)
    tuner = await learners.tuner(settings, store)
    very_small = frozenset(one.model.name for one in local if one.model.is_very_small)
    memory, cookbook, curating = await learners.memory(
        settings, store, stock, models, stack, very_small
    )
    forbidden = settings.validation.forbidden
    validator = ProgramValidator(
        inventory=partial(stock.kept, _INVENTORY_WAIT_S), forbidden=forbidden
    )
    pipeline = Pipeline(
        router=router,
        writers=writers(models, adviser),
        validator=validator,
        executor=TunedExecutor(executor, tuner),
        diagnose=InformedDiagnosis(stock),
        sinks=[EventBus([*learners.recorders(store, tuner), *listening, *curating, metrics])],
        attempts_max=settings.limits.repair_attempts_max,
        spare_writers=spare_writers(settings, models, local),
        memory=memory,
        contest=Contest(arena, validator),
        candidates={name: tier.candidates for name, tier in settings.tiers.items()},
        very_small=very_small,
        cookbook=cookbook,
    )
    degraded = server.degraded if server else ()
    # Whoever asks for a verdict waits until the packages are known.
    prover = Prover(ProgramValidator(inventory=stock.get, forbidden=forbidden), executor)
    return Platform(
        settings,
        store,
        executor,
        pipeline,
        prover,
        metrics.text,
        degraded,
        memory,
        tuple(models.usable),
        local,
    )


def _roomiest(settings: Settings) -> str:
    """The preset with the most memory and time: listing all packages takes a good deal of both."""
    return max(settings.templates, key=lambda name: settings.templates[name].memory_mib)


def _provider_source(
    settings: Settings, server: EmbeddedServer | None
) -> "Callable[[], Awaitable[Provider]]":
    """Where the next execution goes; a supervised server that has ended is started again."""
    from capibara6.execution import Provider, configured_provider

    if server is None:
        return configured_provider(settings)

    async def find() -> Provider:
        address = await server.ensure()
        timeout_s = settings.embedded.request_timeout_s
        return Provider.embedded(address.api_url, address.api_key, request_timeout_s=timeout_s)

    return find


def model_tier(platform: Platform, name: str) -> "ModelTier":
    """The model of that name: one that answers, else one that is configured.

    Args:
        platform: an open one.
        name: of a tier, or of the local model in a tier's place.

    Raises:
        UnknownTierError: there is none.
        MissingKeyError: its key is not set.
    """
    places = {one.model.name: one.model.tier for one in platform.local}
    if name not in platform.settings.tiers:
        name = places.get(name, name)
    found = next((tier for tier in platform.tiers if tier.name == name), None)
    return found or tier_of(platform.settings, name, platform.local)
