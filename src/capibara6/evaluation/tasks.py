"""Whether the router understands what kind of task a request is, in each language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6.domain.requests import Request
from capibara6.domain.tasks import FAMILIES, TASKS
from capibara6.evaluation.records import LineError, read_lines, text_of
from capibara6.routing.scoring import read

# Other names that logs use for a family.
_ALIASES: Final = {
    "default": "code",
    "quick_script": "code",
    "script": "code",
    "programming": "code",
    "chat": "conversation",
    "plot": "visualization",
    "visualisation": "visualization",
    "ml": "machine_learning",
}


@dataclass(frozen=True, slots=True)
class TaskPrompt:
    """A prompt with the task that a person says it is: one of TASKS, or a family of them."""

    prompt: str
    language: str
    task: str


@dataclass(frozen=True, slots=True)
class Understood:
    """One prompt with what the router took it for."""

    prompt: TaskPrompt
    found: str

    @property
    def right(self) -> bool:
        """Whether it was understood, at the fineness of the label."""
        return self.prompt.task in (self.found, FAMILIES[self.found])


def read_task_prompts(path: Path) -> list[TaskPrompt]:
    """Read lines {"prompt", "language", "task"}.

    Raises:
        DataFileError: a line is not like that, or names a task that is none.
    """
    return read_lines(path, _task_prompt)


def understand(prompts: Sequence[TaskPrompt]) -> list[Understood]:
    """Ask the router for the task of each prompt, which brings no data."""
    return [Understood(prompt, read(Request("0" * 32, prompt.prompt)).task) for prompt in prompts]


def accuracy(results: Sequence[Understood]) -> dict[str, float]:
    """The share of the prompts of each language that were understood."""
    languages = sorted({result.prompt.language for result in results})
    groups = {
        language: [result.right for result in results if result.prompt.language == language]
        for language in languages
    }
    return {language: sum(rights) / len(rights) for language, rights in groups.items()}


def _task_prompt(value: Mapping[str, Any]) -> TaskPrompt:
    label = text_of(value, "task")
    task = "_".join(label.lower().replace("-", " ").split())
    task = _ALIASES.get(task, task)
    known = (*TASKS, *(name for name in dict.fromkeys(FAMILIES.values()) if name not in TASKS))
    if task not in known:
        raise LineError(f"'task' is {label!r}, none of: {', '.join(known)}")
    return TaskPrompt(text_of(value, "prompt"), text_of(value, "language"), task)
