"""Runs one command to its exit status; errors are told in one shape, for people or as JSON."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import typer

from capibara6.cli import exit_codes
from capibara6.cli.terminal import environment_language, messages, print_json, visible
from capibara6.errors import CapibaraError
from capibara6.texts import say


def run(command: Callable[[], Coroutine[Any, Any, int]], as_json: bool) -> NoReturn:
    """Run a command and leave with its exit status (`exit_codes`)."""
    try:
        status = asyncio.run(command())
    except CapibaraError as error:
        tell(error, as_json=as_json)
        status = exit_codes.of_error(type(error))
    except KeyboardInterrupt:
        messages().print(say("interrupted", environment_language()))
        status = exit_codes.INTERRUPTED
    raise typer.Exit(status)


def tell(error: CapibaraError, *, as_json: bool) -> None:
    """Say what is wrong: a line on standard error, or a document on standard output."""
    if as_json:
        print_json({"error": {"code": error.code, "message": str(error)}})
        return
    word = say("error", environment_language())
    text = visible(f"{word}: {error} [{error.code}]")
    messages().print(text, style="red", markup=False, soft_wrap=True)
