"""What of the playbook goes into a prompt: what the request is about, by value, in a budget."""

import re
from collections.abc import Iterable
from typing import Final

from capibara6.ace.curator import Curator, without_numbers
from capibara6.ace.playbook import Entry
from capibara6.ace.traits import traits
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Failure
from capibara6.domain.requests import Request, Route
from capibara6.inventory import Stock

CHARS_PER_TOKEN: Final = 3  # low, as the prompts count
ADVICE_MAX: Final = 24
_CANDIDATES: Final = 40
_LIKENESS_MIN: Final = 0.03  # less is chance
_SHARE_OF_BEST_MIN: Final = 0.3
_NAMED_BONUS: Final = 1.0  # the failed program uses what the lesson warns of
_RECIPE_LIKENESS_MIN: Final = 0.5
_RECIPE: Final = "recipe"
_WORD: Final = re.compile(r"[A-Za-z_]\w+")
_BACKTICKS: Final = re.compile(r"`+")


class Recaller:
    """Chooses the bullets for a prompt; the port `Memory`.

    Args:
        curator: holds the playbook.
        stock: of the template; a lesson seen with another major version of its package counts less.
        tokens_max: what all bullets of a prompt may take.
    """

    def __init__(self, curator: Curator, stock: Stock | None, tokens_max: int) -> None:
        self._curator = curator
        self._stock = stock
        self._tokens_max = tokens_max

    async def recall(
        self, request: Request, route: Route, tier: str, failure: Failure | None = None
    ) -> tuple[Advice, ...]:
        """The bullets for an attempt, best first; none for recipes, which follow no advice."""
        if tier == _RECIPE:
            return ()
        await self._curator.refresh()
        return self.chosen(request, route, failure)

    def chosen(
        self, request: Request, route: Route, failure: Failure | None = None
    ) -> tuple[Advice, ...]:
        """As `recall`, from what is known now."""
        scored = self._scored(request, route, failure)
        if not scored:
            return ()
        floor = _SHARE_OF_BEST_MIN * max(score for score, _ in scored)
        ordered = sorted(scored, key=lambda one: (-one[0], one[1].bullet.id))
        return self._fitting(entry for score, entry in ordered if score >= floor)

    def _scored(
        self, request: Request, route: Route, failure: Failure | None
    ) -> list[tuple[float, Entry]]:
        likeness = dict(self._curator.index.closest(_query(request, failure), _CANDIDATES))
        likeness = {group: one for group, one in likeness.items() if one >= _LIKENESS_MIN}
        for group in self._named_in(failure):
            likeness[group] = likeness.get(group, 0.0) + _NAMED_BONUS
        found = []
        for group, like in likeness.items():
            entry = self._curator.active(group)
            if entry is None or (entry.bullet.program and like < _RECIPE_LIKENESS_MIN):
                continue
            found.append((like * entry.value * self._fit(entry, request, route), entry))
        return found

    def _named_in(self, failure: Failure | None) -> set[str]:
        """Groups whose trigger the failed program uses."""
        if failure is None:
            return set()
        by_word = self._curator.by_word
        names = set(_WORD.findall(failure.program.code)) & by_word.keys()
        return {group for name in names for group in by_word[name]}

    def _fit(self, entry: Entry, request: Request, route: Route) -> float:
        """How well a bullet's scope fits: a product of shares."""
        scope, fit = entry.bullet.scope, 1.0
        if scope.task and scope.task != route.task:
            fit *= 0.7
        if scope.traits:
            mine = set(traits(request))
            fit *= 0.5 + 0.5 * len(mine.intersection(scope.traits)) / len(scope.traits)
        inventory = self._stock.at_hand if self._stock else None
        for package, version in scope.packages if inventory else ():
            installed = inventory.versions.get(package, version) if inventory else version
            fit *= 1.0 if _major(installed) == _major(version) else 0.5
        return fit

    def _fitting(self, entries: Iterable[Entry]) -> tuple[Advice, ...]:
        """As many as fit into the budget; one that does not makes room for a smaller one."""
        room, kept, recipes = self._tokens_max, list[Advice](), 0
        for entry in entries:
            advice = advice_of(entry)
            is_recipe = bool(entry.bullet.program)
            if advice.tokens > room or (is_recipe and recipes):
                continue
            kept.append(advice)
            room -= advice.tokens
            recipes += is_recipe
            if len(kept) == ADVICE_MAX:
                break
        return tuple(kept)


def advice_of(entry: Entry) -> Advice:
    """A bullet as a prompt shows it."""
    bullet = entry.bullet
    text = " ".join(bullet.text.split())
    if bullet.program:
        fence = _fence(bullet.program)
        text = f"{text}\n{fence}python\n{bullet.program}\n{fence}"
    return Advice(bullet.id, bullet.section, text, -(-len(text) // CHARS_PER_TOKEN))


def _fence(program: str) -> str:
    """One that nothing in the program can close: an imported one may try to."""
    longest = max(map(len, _BACKTICKS.findall(program)), default=0)
    return "`" * max(3, longest + 1)


def _query(request: Request, failure: Failure | None) -> str:
    parts = [without_numbers(request.question), *traits(request)]
    if failure:
        error = failure.result.error if failure.result else None
        parts += [failure.diagnosis.cause, error.value if error else "", *failure.diagnosis.facts]
    return "\n".join(parts)


def _major(version: str) -> str:
    return version.partition(".")[0]
