"""Suites: files of tasks that say by themselves whether a program solves them.

One JSON object a line, in one of these forms:

    HumanEval, HumanEval-XL, BigCodeBench   {"task_id", "prompt", "entry_point", "test", …}
    a user's functions and programs         {"prompt", "test", "entry_point"?, "reference"?}
    a user's questions about data           {"question", "expected", "data"?, "reference"?}

`test` is Python that runs after the program: assertions, `check(candidate)` of HumanEval, test_…
functions or classes of unittest. `data` names files beside the suite.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from capibara6.errors import DataFileError
from capibara6.evaluation.records import LineError, read_lines, text_of

TASKS_MAX: Final = 100_000
_ENDINGS: Final = (".gz", ".jsonl", ".json")
_FILE_BYTES_MAX: Final = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task.

    Attributes:
        id: as the suite names it; its line's number where it names none.
        digest: 32 hex digits of all that decides what its result means.
        prompt: what the model is asked.
        entry_point: the function to write; "" where a whole program is asked for.
        tests: Python that runs after the program; "" for a question.
        expected: what the answer to a question must say; None where tests decide.
        reference: a program that solves it; "" where the suite has none.
        data: files of a question, by name.
    """

    id: str
    digest: str
    prompt: str
    entry_point: str = ""
    tests: str = ""
    expected: str | None = None
    reference: str = ""
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def is_question(self) -> bool:
        """Whether what a program prints decides, and not tests."""
        return self.expected is not None


@dataclass(frozen=True, slots=True)
class Suite:
    """All tasks of a file, in its order."""

    name: str
    tasks: Sequence[SuiteTask]

    def first(self, count: int | None) -> "Suite":
        """The suite, or its first tasks."""
        return self if count is None else Suite(self.name, self.tasks[:count])


def read_suite(path: Path) -> Suite:
    """Read a suite, `.jsonl` or `.jsonl.gz`.

    Raises:
        DataFileError: a line is of none of the forms, or two tasks have the same id.
    """
    numbers = iter(range(1, TASKS_MAX + 1))
    tasks = read_lines(path, lambda line: _task(line, next(numbers, None), path.parent))
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            problem = f"two tasks have the id {task.id!r}"
            raise DataFileError(str(path), problem, "Give each its own task_id.")
        seen.add(task.id)
    return Suite(_name(path), tasks)


def _name(path: Path) -> str:
    name = path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name or path.name


def _task(value: Mapping[str, Any], number: int | None, folder: Path) -> SuiteTask:
    if number is None:
        raise LineError(f"a suite may hold {TASKS_MAX:,} tasks at most")
    task_id = value.get("task_id", value.get("id", number))
    if isinstance(task_id, bool) or not isinstance(task_id, str | int):
        raise LineError(f"'task_id' is {task_id!r}, neither text nor number")
    if "question" in value:
        return _question(value, str(task_id), folder)
    return _function(value, str(task_id))


def _function(value: Mapping[str, Any], task_id: str) -> SuiteTask:
    prompt, tests = text_of(value, "prompt"), text_of(value, "test")
    entry_point = text_of(value, "entry_point", "")
    if entry_point and not entry_point.isidentifier():
        raise LineError(f"'entry_point' is {entry_point!r}, no name of a function")
    if not prompt.strip() or not tests.strip():
        raise LineError("'prompt' or 'test' is empty")
    reference = text_of(value, "reference", "")
    if solution := text_of(value, "canonical_solution", ""):
        reference = prompt + solution
    digest = _digest([prompt, entry_point, tests])
    return SuiteTask(task_id, digest, prompt, entry_point, tests, None, reference)


def _question(value: Mapping[str, Any], task_id: str, folder: Path) -> SuiteTask:
    question, expected = text_of(value, "question"), value.get("expected")
    if isinstance(expected, bool) or not isinstance(expected, str | int | float):
        raise LineError(f"'expected' is {expected!r}, neither text nor number")
    if not question.strip() or not str(expected).strip():
        raise LineError("'question' or 'expected' is empty")
    data = _data(value.get("data"), folder)
    facts = [question, str(expected), {name: _hash(content) for name, content in data.items()}]
    return SuiteTask(
        task_id,
        _digest(facts),
        question,
        expected=str(expected),
        reference=text_of(value, "reference", ""),
        data=data,
    )


def _data(value: object, folder: Path) -> dict[str, bytes]:
    names = [] if value is None else value if isinstance(value, list) else [value]
    found: dict[str, bytes] = {}
    for name in names:
        if not isinstance(name, str) or not name:
            raise LineError(f"'data' names {name!r}, no file")
        path = folder / name
        try:
            if path.stat().st_size > _FILE_BYTES_MAX:
                raise LineError(f"data file {name!r} has more than {_FILE_BYTES_MAX:,} bytes")
            found[path.name] = path.read_bytes()
        except OSError as cause:
            raise LineError(f"data file {name!r} cannot be read ({cause.strerror})") from None
    return found


def _digest(facts: Any) -> str:
    return _hash(json.dumps(facts, sort_keys=True).encode())[:32]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
