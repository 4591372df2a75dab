"""The curator: keeps the playbook current with the stored deltas, and joins duplicates."""

import json
import logging
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from capibara6.ace.deltas import merge, remove
from capibara6.ace.playbook import Entry, Playbook
from capibara6.domain.playbook import Bullet, Delta
from capibara6.language.similarity import SimilarityIndex
from capibara6.store import PlaybookDeltas

_BATCH: Final = 2_000
BULLETS_MAX: Final = 2_000  # in use; the least valuable beyond it are removed
_PRUNE_EVERY: Final = 50
SAME_LIKENESS_MIN: Final = 0.75  # of texts about no use in particular
_SAME_USE_LIKENESS_MIN: Final = 0.5
_COMPARED: Final = 5
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")

log = logging.getLogger(__name__)


class Curator:
    """The playbook of this process, which follows what others store.

    Args:
        deltas: where they are stored.
    """

    def __init__(self, deltas: PlaybookDeltas) -> None:
        self._deltas = deltas
        self._seq = 0
        self.playbook = Playbook()
        self.index: SimilarityIndex[str] = SimilarityIndex()
        self.by_word: dict[str, set[str]] = {}  # last name of a trigger -> groups
        self.recipes: set[str] = set()  # groups that are programs

    async def refresh(self) -> None:
        """Take what was stored since; start anew when all that was known is gone."""
        oldest = await self._deltas.oldest()
        if self._seq and oldest is None:
            self._forget()
        changed: set[str] = set()
        while found := await self._deltas.after(self._seq, _BATCH):
            self._seq = found[-1][0]
            for _, change in found:
                changed.update(self._changed_by(change))
        for group in changed:
            self._index(group)

    def _changed_by(self, change: Delta) -> set[str]:
        """Apply a change; the groups that it touches, also the one that is a group no more."""
        group = self.playbook.apply(change)
        if group is None:
            return set()
        merged = {change.bullet, str(change.body.get("with", group))}
        return {group, *merged} if change.kind == "merge" else {group}

    async def commit(self, changes: Sequence[Delta], bullets: Sequence[Bullet] = ()) -> int:
        """Store changes, and join bullets that are new to others that mean the same.

        Args:
            changes: to store.
            bullets: those that the changes add.

        Returns:
            How many changes were new.
        """
        await self.refresh()
        joined = [one for bullet in bullets for one in self._duplicates(bullet)]
        new = await self._deltas.add([*changes, *joined])
        await self.refresh()
        if len(self.index) > BULLETS_MAX + _PRUNE_EVERY and changes:
            await self._deltas.add(self._beyond(changes[-1].at))
            await self.refresh()
        return new

    def _beyond(self, at: datetime) -> list[Delta]:
        """Removals of the least valuable bullets beyond `BULLETS_MAX`."""
        active = [entry for entry in self.playbook.entries() if entry.status == "active"]
        return [
            remove(name, at, "of least value")
            for entry in active[BULLETS_MAX:]
            for name in (entry.bullet.id, *entry.aliases)
        ]

    def active(self, group: str) -> Entry | None:
        """A group's entry, if it is in use."""
        entry = self.playbook.entry(group)
        return entry if entry and entry.status == "active" else None

    def _duplicates(self, bullet: Bullet) -> list[Delta]:
        """Merges of a bullet that is not there yet with those that mean the same."""
        if self.playbook.entry(bullet.id):
            return []
        close = self.index.closest(bullet.text, _COMPARED)
        found = []
        for group, likeness in close:
            other = self.playbook.entry(group)
            if other and is_same(bullet, other.bullet, likeness):
                found.append(merge(bullet.id, other.bullet.id, bullet.created))
        return found

    def _index(self, group: str) -> None:
        root = self.playbook.root(group)
        if root != group:
            self.index.drop(group)
            for groups in (self.recipes, *self.by_word.values()):
                groups.discard(group)
        entry = self.playbook.entry(root)
        if entry is None or entry.status != "active":
            self.index.drop(root)
            self.recipes.discard(root)
            return
        bullet = entry.bullet
        cues = (without_numbers(cue) for cue in entry.cues)
        self.index.put(root, "\n".join((bullet.text, *cues, bullet.scope.task)))
        if bullet.program:
            self.recipes.add(root)
        for word in _trigger_words(bullet):
            self.by_word.setdefault(word, set()).add(root)

    def _forget(self) -> None:
        self.playbook, self.index, self._seq = Playbook(), SimilarityIndex(), 0
        self.by_word, self.recipes = {}, set()


def without_numbers(question: str) -> str:
    """A question without its numbers: they are one request's own, and rare, and would mislead."""
    return _NUMBER.sub(" ", question)


def is_same(one: Bullet, other: Bullet, likeness: float) -> bool:
    """Whether two bullets mean the same.

    Args:
        one: a bullet.
        other: another; of another section, it means something else.
        likeness: of their texts, 0..1.
    """
    if one.section != other.section or bool(one.program) != bool(other.program):
        return False
    if one.program and _proof(one) != _proof(other):
        return False  # of questions that differ in a word, or of other tables, answers differ
    if one.trigger or other.trigger:
        shared = set(one.remedy) & set(other.remedy)
        same = one.trigger == other.trigger and bool(shared or not one.remedy or not other.remedy)
        return same and likeness >= _SAME_USE_LIKENESS_MIN
    return likeness >= SAME_LIKENESS_MIN


def _proof(recipe: Bullet) -> object:
    """Form and language of the question that a recipe was proven with, and how its data are."""
    test = recipe.tests[0] if recipe.tests else {}
    files = test.get("files")
    data = [
        (one.get("layout"), one.get("columns"))
        for one in (files if isinstance(files, list) else ())
        if isinstance(one, dict)
    ]
    return test.get("form"), test.get("language"), json.dumps(data, default=str)


def _trigger_words(bullet: Bullet) -> list[str]:
    name = bullet.trigger.partition("(")[0].rpartition(".")[2]
    return [name] if name else []
