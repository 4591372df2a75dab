"""What commands share that show or change what is stored: opening it, writing it out, counting."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from capibara6.cli import exit_codes
from capibara6.cli.terminal import output, print_json
from capibara6.config import Settings
from capibara6.errors import DataFileError
from capibara6.store import Store


@asynccontextmanager
async def stored(settings: Settings) -> AsyncIterator[Store]:
    """The open store.

    Raises:
        ConfigurationError: the database or the data directory cannot be used.
    """
    store = await Store.open(settings.database, settings.home)
    try:
        yield store
    finally:
        await store.close()


async def write_lines(file: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line.

    Raises:
        DataFileError: the file cannot be written.
    """
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    try:
        await asyncio.to_thread(file.write_text, lines, encoding="utf-8")
    except OSError as cause:
        problem = f"cannot be written ({cause.strerror})"
        raise DataFileError(str(file), problem, "Name another.") from None


def tell(counts: Mapping[str, int | bool], text: str = "", *, as_json: bool) -> int:
    """Tell what was done, as counts or in a sentence; returns the exit status."""
    if as_json:
        print_json(dict(counts))
    else:
        told = text or ", ".join(f"{name}: {count}" for name, count in counts.items())
        output().print(told, markup=False)
    return exit_codes.OK
