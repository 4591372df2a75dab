"""Keeps what a run left in a folder of its own: charts, files, and its record as JSON."""

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Final

from capibara6.domain.executions import Artefact

RECORD: Final = "run.json"
_NAME_BYTES_MAX: Final = 200


def save_run(folder: Path, artefacts: Iterable[Artefact], record: dict[str, Any]) -> list[Path]:
    """Write everything; returns the artefacts' files. The folder is for its owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    saved: list[Path] = []
    for artefact in artefacts:
        file = _free(folder, plain_name(artefact.name))
        file.write_bytes(artefact.content)
        saved.append(file)
    text = json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8", errors="replace")
    return saved


def plain_name(name: str) -> str:
    """A file name that stays in its folder, whatever the program called its file."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(character if character.isprintable() else "_" for character in last)
    return (
        kept.encode(errors="replace")[:_NAME_BYTES_MAX].decode(errors="ignore").lstrip(".")
        or "file"
    )


def _free(folder: Path, name: str) -> Path:
    file, number = folder / name, 1
    while file.exists() or name == RECORD:
        number += 1
        file = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        name = file.name
    return file
