"""Which local models there are: a folder for each below `<data folder>/models`, with `model.json`.

A model's file stays where it is; only one that came as a package lies in the model's own folder.
"""

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from capibara6.errors import LocalModelError
from capibara6.local_models.gguf import ModelFile, read_model_file

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_RECORD: Final = "model.json"
_RECORD_BYTES_MAX: Final = 64 * 1024
_VERY_SMALL: Final = 1_000_000_000  # parameters; fewer seldom write a program that works
CONTEXT_TOKENS_MAX: Final = 8192  # unless more is asked for: a context costs memory
ENGINE_FOLDER: Final = "engine"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model as it was added."""

    name: str
    file: Path
    tier: str  # of the configuration, whose place it takes
    context_tokens: int  # that it is served with
    about: ModelFile

    @property
    def is_very_small(self) -> bool:
        """Whether its answers are to be taken with care for its size alone."""
        return self.about.parameters < _VERY_SMALL

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory while it is served: the file and the context."""
        return self.about.size_bytes + self.about.cache_bytes(self.context_tokens)


class Registry:
    """The local models of one data folder.

    Args:
        home: the platform's data folder.
    """

    def __init__(self, home: Path) -> None:
        self._root = home / "models"

    @property
    def engine_folder(self) -> Path:
        """Where llama.cpp is installed."""
        return self._root / ENGINE_FOLDER

    def folder(self, name: str) -> Path:
        """Of one model: its record, its log, and its file if a package brought it.

        Raises:
            LocalModelError: no model can have this name.
        """
        if not _NAME.fullmatch(name) or name == ENGINE_FOLDER:
            raise LocalModelError(
                name,
                "this is no name for a model",
                "Use 1 to 40 small letters, digits, '.', '_' and '-'.",
            )
        return self._root / name

    def all(self) -> tuple[LocalModel, ...]:
        """All models by name.

        Raises:
            LocalModelError: a record cannot be read.
        """
        records = sorted(self._root.glob(f"*/{_RECORD}"))
        return tuple(_read(record) for record in records)

    def get(self, name: str) -> LocalModel:
        """The model of that name.

        Raises:
            LocalModelError: there is none.
        """
        record = self.folder(name) / _RECORD
        if not record.is_file():
            known = ", ".join(model.name for model in self.all()) or "none"
            remedy = f"Known: {known}. Add one with `capibara6 models add NAME --gguf FILE`."
            raise LocalModelError(name, "there is none of this name", remedy)
        return _read(record)

    def add(
        self, name: str, file: Path, tier: str, context_tokens: int | None = None
    ) -> LocalModel:
        """Add a model out of a GGUF file, in place of one of the same name.

        Raises:
            LocalModelError: the name is none, or another model has the tier.
            ModelFileError: the file is no whole model.
        """
        folder = self.folder(name)
        about = read_model_file(file)
        holder = next((one for one in self.all() if one.tier == tier and one.name != name), None)
        if holder:
            raise LocalModelError(
                name,
                f"the tier {tier!r} has the local model {holder.name!r}",
                f"Choose another --tier, or `capibara6 models remove {holder.name}` first.",
            )
        if context_tokens is not None and context_tokens > about.context_tokens:
            raise LocalModelError(
                name,
                f"a context of {context_tokens:,} tokens is more than it was trained for",
                f"At most {about.context_tokens:,}.",
            )
        wanted = context_tokens or min(about.context_tokens, CONTEXT_TOKENS_MAX)
        model = LocalModel(name, file.absolute(), tier, wanted, about)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(folder / _RECORD, model)
        return model

    def remove(self, name: str) -> LocalModel:
        """Forget a model; its file goes only if a package brought it.

        Raises:
            LocalModelError: there is none.
        """
        model = self.get(name)
        shutil.rmtree(self.folder(name))
        return model


def _write(record: Path, model: LocalModel) -> None:
    half = record.with_suffix(".half")
    values = {**asdict(model), "file": str(model.file)}
    half.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(record)


def _read(record: Path) -> LocalModel:
    name = record.parent.name
    try:
        with record.open("rb") as stream:
            values = json.loads(stream.read(_RECORD_BYTES_MAX))
        return LocalModel(
            name,
            Path(values["file"]),
            str(values["tier"]),
            int(values["context_tokens"]),
            ModelFile(**values["about"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise LocalModelError(
            name,
            f"its record {record} cannot be read",
            f"`capibara6 models remove` cannot mend it: delete the folder {record.parent}, "
            "and add the model again.",
        ) from None
