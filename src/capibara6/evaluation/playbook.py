"""Whether a playbook finds the case that a query is about: recall, and the tokens it costs."""

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6.errors import DataFileError
from capibara6.evaluation.records import LineError, text_of
from capibara6.language.similarity import SimilarityIndex

FILE_BYTES_MAX: Final = 256 * 1024**2
_CHARS_PER_TOKEN: Final = 3  # as prompts count
_LOOKED_AT: Final = 5
_FORMAT: Final = 'Write {"memory": [{id, text, code}], "queries": [{text, relevant}]}.'


@dataclass(frozen=True, slots=True)
class Case:
    """A thing to remember."""

    id: str
    text: str
    code: str = ""

    @property
    def whole(self) -> str:
        """What a prompt would be given of it, and what it is found by."""
        return f"{self.text}\n{self.code}" if self.code else self.text


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the ids of the cases that help with it."""

    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class RecallScore:
    """How well cases were found.

    Attributes:
        recall_1, recall_5: the mean share of the relevant cases among the first one and five; of
            more relevant cases than places, as many as there are places make it whole.
        tokens_1, tokens_5: of the first one and five cases, on average.
        ms_median: of a query.
        missed: numbers of the queries (from 0) whose first case is not relevant.
    """

    recall_1: float
    recall_5: float
    tokens_1: float
    tokens_5: float
    ms_median: float
    memory: int
    queries: int
    missed: tuple[int, ...]


def read_memory(path: Path) -> tuple[list[Case], list[Query]]:
    """Read a file {"memory": [...], "queries": [...]}.

    Raises:
        DataFileError: it is not like that; the message says where.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise DataFileError(str(path), f"larger than {FILE_BYTES_MAX:,} bytes", _FORMAT)
        value = json.loads(path.read_bytes())
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror})"
        raise DataFileError(str(path), problem, "Name another.") from None
    except (ValueError, RecursionError) as cause:
        raise DataFileError(str(path), f"no JSON ({cause})", _FORMAT) from None
    try:
        cases = [_case(item) for item in _items(value, "memory")]
        queries = [_query(item) for item in _items(value, "queries")]
        _check(cases, queries)
    except LineError as cause:
        raise DataFileError(str(path), str(cause), _FORMAT) from None
    return cases, queries


def recall(cases: list[Case], queries: list[Query]) -> RecallScore:
    """Remember all cases, then ask for each query's."""
    index: SimilarityIndex[str] = SimilarityIndex()
    tokens = {}
    for case in cases:
        index.put(case.id, case.whole)
        tokens[case.id] = -(-len(case.whole) // _CHARS_PER_TOKEN)
    found, times_s = [], []
    for query in queries:
        start = time.perf_counter()
        found.append([key for key, _ in index.closest(query.text, _LOOKED_AT)])
        times_s.append(time.perf_counter() - start)
    pairs = list(zip(queries, found, strict=True))
    return RecallScore(
        recall_1=statistics.fmean(_share(query, keys, 1) for query, keys in pairs),
        recall_5=statistics.fmean(_share(query, keys, _LOOKED_AT) for query, keys in pairs),
        tokens_1=statistics.fmean(sum(tokens[key] for key in keys[:1]) for keys in found),
        tokens_5=statistics.fmean(sum(tokens[key] for key in keys) for keys in found),
        ms_median=1000 * statistics.median(times_s),
        memory=len(cases),
        queries=len(queries),
        missed=tuple(n for n, (query, keys) in enumerate(pairs) if not _share(query, keys, 1)),
    )


def _share(query: Query, keys: list[str], places: int) -> float:
    return len(query.relevant.intersection(keys[:places])) / min(len(query.relevant), places)


def _items(value: Any, key: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not found:
        raise LineError(f"{key!r} is no list of objects")
    items: list[tuple[str, Mapping[str, Any]]] = []
    for number, item in enumerate(found):
        if not isinstance(item, dict):
            raise LineError(f"{key}[{number}] is no object")
        items.append((f"{key}[{number}]", item))
    return items


def _case(item: tuple[str, Mapping[str, Any]]) -> Case:
    place, value = item
    try:
        return Case(_id(value.get("id")), text_of(value, "text"), text_of(value, "code", ""))
    except LineError as cause:
        raise LineError(f"{place}: {cause}") from None


def _query(item: tuple[str, Mapping[str, Any]]) -> Query:
    place, value = item
    relevant = value.get("relevant")
    listed = relevant if isinstance(relevant, list) else [relevant]
    if not listed:
        raise LineError(f"{place}: 'relevant' is empty")
    try:
        return Query(text_of(value, "text"), frozenset(_id(one) for one in listed))
    except LineError as cause:
        raise LineError(f"{place}: {cause}") from None


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LineError(f"an id is {value!r}, neither text nor number")
    return str(value)


def _check(cases: list[Case], queries: list[Query]) -> None:
    known = {case.id for case in cases}
    if len(known) < len(cases):
        raise LineError("two cases of 'memory' have the same id")
    for number, query in enumerate(queries):
        if unknown := query.relevant - known:
            raise LineError(f"queries[{number}]: {sorted(unknown)[0]!r} is no id of 'memory'")
