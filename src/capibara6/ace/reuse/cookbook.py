"""Finds the recipe of the playbook that answers a request, if one surely does; port `Cookbook`."""

import asyncio
from collections.abc import Mapping, Sequence
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
        self._tests: dict[str, Proof | None] = {}

    async def found(self, request: Request, route: Route) -> Reused | None:
        """The program of the recipe that fits best; None when none surely fits."""
        if not request.files:
            return None
        await self._curator.refresh()
        candidates = [
            (entry, test)
            for group in sorted(self._curator.recipes)
            if (entry := self._curator.active(group)) and (test := self._test(entry))
            if self._is_trusted(entry, test) and entry.bullet.scope.task == route.task
        ]
        if not candidates:
            return None
        read = await asyncio.to_thread(read_request, request, route.language, self._read_table)
        fitting = [
            (entry, test, found)
            for entry, test in candidates
            if (
                found := filling(entry.bullet, test, request, read.form, route.language, read.facts)
            )
        ]
        if not fitting:
            return None
        return _reused(*max(fitting, key=lambda one: (one[2].same, one[0].value, one[0].bullet.id)))

    def _is_trusted(self, entry: Entry, test: Proof) -> bool:
        model = test.by.removeprefix(_MODEL)
        return entry.harmful <= entry.helpful and model not in self._distrusted

    def _test(self, entry: Entry) -> Proof | None:
        name = entry.bullet.id
        if name not in self._tests:
            self._tests[name] = proof_in(entry.bullet)
        return self._tests[name]


def _reused(entry: Entry, test: Proof, found: Filling) -> Reused:
    bullet = entry.bullet
    parameters = {**bullet.parameters, **found.values}
    code = with_parameters(bullet, found.values)
    program = Program(code, origin=RECIPE_ORIGIN + bullet.id, tier=_TIER, parameters=parameters)
    return Reused(program, advice_of(entry), test.printed, found.same)
