"""From a question and its data to a task with a confidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from capibara6.domain.requests import Column, Request
from capibara6.domain.tasks import TASKS
from capibara6.language.mentions import Mention, find_mentions
from capibara6.language.words import fold, words
from capibara6.routing.plain import weigh_plain
from capibara6.routing.rules import COMPLEX, RULES
from capibara6.routing.tabular import hinted, weigh_tabular

_TALK = ("code", "conversation")
_LONG_WORDS = 45
_CLEAR = 3.0  # a score that settles a task by itself


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question looks like to the rules."""

    task: str
    confidence: float  # 0..1
    scores: dict[str, float]
    matched: tuple[str, ...]  # the words that spoke for the task
    mentions: tuple[Mention, ...]
    complexity: int  # 0 simple, 1 middling, 2 demanding


def read(request: Request) -> Reading:
    """Score every task and choose the best."""
    text = fold(request.question)
    columns = [column for file in request.files for column in file.columns]
    mentions = find_mentions(request.question, columns)
    matches = _matches(text)
    scores = {task: sum(weight for weight, _ in matches.get(task, ())) for task in TASKS}
    spoken = {
        task: [words_matched for _, words_matched in found] for task, found in matches.items()
    }
    if request.files:
        _weigh_data(scores, mentions)
        weigh_tabular(scores, spoken, text)
    else:
        weigh_plain(scores, spoken, text)
    task = max(TASKS, key=lambda name: scores[name])
    if scores[task] <= 0:
        task = hinted(text, mentions) if request.files else "conversation"
    matched = tuple(spoken.get(task, ()))
    confidence = _confidence(scores, task)
    return Reading(task, confidence, scores, matched, mentions, _complexity(text, scores))


def _matches(text: str) -> dict[str, list[tuple[float, str]]]:
    found: dict[str, list[tuple[float, str]]] = {}
    for rule in RULES:
        if match := rule.pattern.search(text):
            found.setdefault(rule.task, []).append((rule.weight, match[0].strip()))
    return found


def _weigh_data(scores: dict[str, float], mentions: Sequence[Mention]) -> None:
    """Let the data speak: what is there, and of which kind are the columns that are named?"""
    for task in _TALK:
        scores[task] *= 0.6 if mentions else 0.9
    if mentions:
        scores["profile"] *= 0.5
        _weigh_kinds(scores, [mention.columns[0] for mention in mentions])


def _weigh_kinds(scores: dict[str, float], named: Sequence[Column]) -> None:
    numbers = sum(column.kind == "number" for column in named)
    words_kind = sum(column.kind in ("text", "boolean") for column in named)
    if numbers >= 2 and not words_kind:
        scores["correlate"] *= 1.2
        scores["group"] *= 0.6
    if numbers and not words_kind and all(column.kind == "number" for column in named):
        scores["group"] *= 0.7
    if words_kind and scores["group"]:
        scores["group"] += 1.0
    if named[0].kind in ("text", "boolean") and scores["regression"] >= 2:
        scores["classification"] += 2.0
        scores["regression"] *= 0.7


def _confidence(scores: dict[str, float], task: str) -> float:
    """Half from how strong the evidence is, half from its lead over the next task."""
    best = scores[task]
    if best <= 0:
        return 0.2
    second = max((score for name, score in scores.items() if name != task), default=0.0)
    strength, lead = min(1.0, best / _CLEAR), (best - second) / best
    return round(0.5 * strength + 0.5 * lead, 2)


def _complexity(text: str, scores: dict[str, float]) -> int:
    """0, 1 or 2: several things at once, demanding methods, a long text."""
    points = sum(bool(pattern.search(text)) for pattern in COMPLEX)
    points += len(words(text)) > _LONG_WORDS
    points += sum(score >= _CLEAR for score in scores.values()) > 2
    return min(points, 2)
