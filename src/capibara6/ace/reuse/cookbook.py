"""Finds the recipe of the playbook that answers a request, if one surely does; port `Cookbook`."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.ace.curator import Curator
from capibara6.ace.deltas import RECIPE_ORIGIN
from capibara6.ace.playbook import Entry
from capibara6.ace.recall import advice_of
from capibara6.ace.reuse.facts import Facts, ReadTable, Written, facts_of
from capibara6.ace.reuse.filling import Filling, filling
from capibara6.ace.reuse.form import Form, read_form
from capibara6.ace.reuse.parameters import with_parameters
from capibara6.ace.reuse.proofs import Proof, proof_in
from capibara6.domain.playbook import Reused
from capibara6.domain.programs import Program
from capibara6.domain.requests import DataFile, Request, Route

_TIER: Final = "recipe"
_MODEL: Final = "model:"


@dataclass(frozen=True, slots=True)
class Read:
    """A request as recipes see it."""

    form: Form
    facts: tuple[Facts, ...]
    values: tuple[str, ...]  # cells of columns of words


def read_request(request: Request, language: str, read_table: ReadTable) -> Read:
    """Read a question with its data; reads the files' content, so it takes a while."""
    written: list[tuple[DataFile, Written | None]] = [(f, read_table(f)) for f in request.files]
    by_column: Mapping[str, Sequence[str]] = {
        name: values for _, one in written if one for name, values in one.values.items()
    }
    return Read(
        read_form(request.question, language, request.files, by_column),
        tuple(facts_of(file, one) for file, one in written),
        tuple(dict.fromkeys(value for values in by_column.values() for value in values)),
    )


class Cookbook:
    """The recipes that can be used again.

    Args:
        curator: holds the playbook.
        read_table: tells how a file is written, and its values.
        distrusted: models whose programs are not used again without them.
    """

    def __init__(
        self, curator: Curator, read_table: ReadTable, distrusted: frozenset[str] = frozenset()
    ) -> None:
        self._curator = curator
        self._read_table = read_table
        self._distrusted = distrusted
        self._known: dict[str, tuple[str, tuple[str, ...]]] = {}  # task and form, by group

    async def found(self, request: Request, route: Route) -> Reused | None:
        """The program of the recipe that fits best; None when none surely fits."""
        if not request.files:
            return None
        await self._curator.refresh()
        forms = {
            group: form for group, (task, form) in self._learnt().items() if task == route.task
        }
        if not forms:
            return None
        read = await asyncio.to_thread(read_request, request, route.language, self._read_table)
        alike = [group for group, form in forms.items() if form == read.form.tokens]
        fitting = [
            (entry, test, found)
            for entry, test in self._trusted(alike)
            if (
                found := filling(entry.bullet, test, request, read.form, route.language, read.facts)
            )
        ]
        if not fitting:
            return None
        return _reused(*max(fitting, key=lambda one: (one[2].same, one[0].value, one[0].bullet.id)))

    def _learnt(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Task and form of all recipes; each is read once."""
        recipes = self._curator.recipes
        for group in self._known.keys() - recipes:
            del self._known[group]
        for group in recipes - self._known.keys():
            entry = self._curator.active(group)
            test = proof_in(entry.bullet) if entry else None
            if entry and test:
                self._known[group] = (entry.bullet.scope.task, test.tokens)
            else:
                self._known[group] = ("", ())
        return self._known

    def _trusted(self, groups: Sequence[str]) -> Iterator[tuple[Entry, Proof]]:
        """Those that have not done more harm than good, by models that are trusted."""
        for group in groups:
            entry = self._curator.active(group)
            test = proof_in(entry.bullet) if entry else None
            if entry is None or test is None or entry.harmful > entry.helpful:
                continue
            if test.by.removeprefix(_MODEL) not in self._distrusted:
                yield entry, test


def _reused(entry: Entry, test: Proof, found: Filling) -> Reused:
    bullet = entry.bullet
    parameters = {**bullet.parameters, **found.values}
    code = with_parameters(bullet, found.values)
    program = Program(code, origin=RECIPE_ORIGIN + bullet.id, tier=_TIER, parameters=parameters)
    return Reused(program, advice_of(entry), test.printed, found.same)
