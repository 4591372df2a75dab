"""Joins what learns from runs: the router, the limits of tasks, the playbook.

Each can be switched off, and none keeps the platform from starting when what it has learnt cannot
be read.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from capibara6.config import Settings
from capibara6.domain.ports import Cookbook, EventSink, Memory, Router
from capibara6.domain.requests import DataFile
from capibara6.errors import DataFileError

if TYPE_CHECKING:
    from capibara6.ace.reuse import Written
    from capibara6.codegen.choosing.policies import ModelAdviser
    from capibara6.codegen.discovery import Discovery
    from capibara6.inventory import Stock
    from capibara6.store import Store
    from capibara6.tuning import Tuner

log = logging.getLogger(__name__)

_WORDS = ("text", "boolean")  # kinds of columns whose values a question may name


async def router(
    settings: Settings,
    models: "Discovery",
    store: "Store",
    adviser: "ModelAdviser | None" = None,
) -> tuple[Router, list[EventSink]]:
    """The router, and what it learns by; by rules alone where that is switched off.

    Args:
        settings: whether to learn, and how much quality counts.
        models: the tiers.
        store: the outcomes.
        adviser: chooses recipes; where it asks a model, they get doubtful questions too.
    """
    from capibara6.routing import Learner, LearningRouter, OutcomeListener, RuleRouter, arms
    from capibara6.routing.prior import prior

    rules = RuleRouter(doubtful_to_recipes=adviser is not None and adviser.asks)
    if settings.router.learning == "off":
        return rules, []
    prices = {
        tier.name: tier.usd_per_million_tokens_in + tier.usd_per_million_tokens_out
        for tier in models.usable
    }
    tiers = {tier.name: tier.model for tier in models.usable}
    candidates = {name: tier.candidates for name, tier in settings.tiers.items()}
    prices = arms(prices, candidates)
    try:
        measured = prior(await store.samples.measured(list(tiers)), tiers)
        learner = Learner(store.outcomes, prices, measured)
        await learner.refresh()
    except Exception:
        # Broken statistics must not keep the platform from starting.
        log.exception("the router's outcomes cannot be learnt from; it goes by rules")
        return rules, []
    learning = LearningRouter(rules, learner, prices, settings.router.quality)
    excuses = settings.ace.learning == "on"
    return learning, [OutcomeListener(store.outcomes, learner, excuses=excuses)]


def adviser(settings: Settings, models: "Discovery") -> "ModelAdviser | None":
    """The model that chooses recipes, or was measured not to beat the rules."""
    from capibara6.codegen.choosing.measurements import FILE_NAME
    from capibara6.codegen.choosing.policies import best_adviser

    return best_adviser(models.usable, settings.home / FILE_NAME)


async def tuner(settings: Settings, store: "Store") -> "Tuner":
    """The limits of tasks; without what was learnt where that cannot be read."""
    from capibara6.tuning import Tuner

    found = Tuner(store.usage, store.pins, settings.templates, settings.tuning)
    try:
        await found.refresh()
    except Exception:
        log.exception("the limits that tasks need cannot be learnt; their templates' own hold")
    return found


async def memory(
    settings: Settings,
    store: "Store",
    stock: "Stock",
    models: "Discovery",
    stack: AsyncExitStack,
    distrusted: frozenset[str] = frozenset(),
) -> tuple[Memory | None, Cookbook | None, list[EventSink]]:
    """What gives prompts advice, what answers without them, and what both learn by.

    Nothing where that is switched off. Programs of `distrusted` models are advice at most.
    """
    from capibara6.ace import Curator, PlaybookListener, Recaller
    from capibara6.ace.reuse import Cookbook as PlaybookRecipes

    if settings.ace.learning == "off":
        return None, None, []
    curator = Curator(store.playbook)
    try:
        await curator.refresh()
    except Exception:
        # A broken playbook must not keep the platform from starting.
        log.exception("the playbook cannot be read; prompts get no advice, nothing is learnt")
        return None, None, []
    recaller = Recaller(curator, stock, settings.ace.tokens_max)
    listener = PlaybookListener(curator, stock, _asked(settings, models), read_table=written)
    stack.push_async_callback(listener.close)
    recipes = PlaybookRecipes(curator, written, distrusted)
    return recaller, recipes if settings.ace.recipes == "on" else None, [listener]


def written(file: DataFile) -> "Written | None":
    """How a data file is written, and the values of its columns of words; None: it is no table."""
    from capibara6.ace.reuse import Written
    from capibara6.codegen.profiling import file_layout, sample_table

    try:
        table = sample_table(file.name, file.content)
        layout = table.layout if table else file_layout(file.name, file.content)
    except DataFileError:
        return None  # what is wrong with it was said when it was profiled
    if layout is None:
        return None
    values = {
        column.name: tuple(dict.fromkeys(cell.strip() for cell in table.values(place)))
        for place, column in enumerate(file.columns if table else ())
        if table and column.kind in _WORDS
    }
    return Written(repr(layout), values)


def _asked(settings: Settings, models: "Discovery") -> "Callable[[str], Awaitable[str]] | None":
    """The model that is asked for lessons; None where none is to be, or it does not answer."""
    name = settings.ace.reflection_tier
    if name is None:
        return None
    tier = next((one for one in models.usable if one.name == name), None)
    if tier is None:
        log.warning(
            "ace.reflection_tier %r does not answer; lessons are found by rules alone", name
        )
        return None

    async def ask(prompt: str) -> str:
        from capibara6.codegen.endpoint import Endpoint
        from capibara6.codegen.reply import Reply

        reply = Reply()
        async for _ in Endpoint(tier).stream([{"role": "user", "content": prompt}], reply):
            pass
        return reply.text

    return ask


def recorders(store: "Store", tuner: "Tuner") -> list[EventSink]:
    """The listeners that write; the store first, since what the others write refers to it."""
    from capibara6.ace import LessonListener
    from capibara6.tuning import UsageListener

    return [store.events, LessonListener(store.lessons), UsageListener(store.usage, tuner=tuner)]
