"""Where the command line writes: answers to standard output, progress and errors to the other."""

import json
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from capibara6.texts import DEFAULT_LANGUAGE, LANGUAGES, say

if TYPE_CHECKING:
    from capibara6.supervision.server import Notify

PLAIN_WIDTH = 240  # of tables in a file or pipe, so that nothing is cut
_KEPT = frozenset("\n\t")


def output() -> Console:
    """Standard output; plain text when it is no terminal."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(highlight=False, width=width)


def messages() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False)


def visible(text: str) -> str:
    """Text of a program or a model without what would steer the terminal (escape sequences)."""
    return "".join(
        character
        for character in text
        if character in _KEPT or unicodedata.category(character) not in {"Cc", "Cs"}
    )


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def environment_language() -> str:
    """The language of the user's session, for what no question decides."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return value[:2] if value[:2] in LANGUAGES else DEFAULT_LANGUAGE
    return DEFAULT_LANGUAGE


@contextmanager
def start_progress(language: str) -> Iterator["Notify"]:
    """A bar (or lines, where no terminal is) for a starting server; nothing if none starts."""
    console = messages()
    if not console.is_terminal:
        yield lambda share, message: console.print(f"[{share:4.0%}] {message}", markup=False)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(say("starting_server", language), total=1.0, visible=False)

        def notify(share: float, message: str) -> None:
            bar.update(task, completed=share, description=visible(message), visible=True)

        yield notify
