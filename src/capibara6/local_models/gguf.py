"""Reading the head of a GGUF file: what model it is, and whether the file is whole.

A file is data from anywhere: every count is checked before it is believed. Nothing here loads a
model. Source: the GGUF specification in ggml's docs/gguf.md, versions 2 and 3.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from capibara6.errors import ModelFileError

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_HEAD_BYTES_MAX: Final = 256 * 1024 * 1024  # vocabularies take a few MB
_PAIRS_MAX: Final = 100_000
_TENSORS_MAX: Final = 1_000_000
_DIMENSIONS_MAX: Final = 4
_KEPT_TEXT_BYTES_MAX: Final = 64 * 1024
_ALIGNMENT: Final = 32
_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
# Of each type of tensor: elements and bytes of a block.
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip

Value = int | float | bool | str | None  # None: an array, or a text too long to keep


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a whole GGUF file says of itself."""

    size_bytes: int
    parameters: int
    architecture: str
    title: str
    license: str
    context_tokens: int  # that it was trained for
    layers: int
    key_value_width: int  # numbers that one token keeps in one layer, keys and values together
    talks: bool  # it carries a chat template

    def cache_bytes(self, context_tokens: int) -> int:
        """What so long a context takes in memory, in 16-bit numbers."""
        return 2 * self.layers * self.key_value_width * context_tokens


def read_model_file(file: Path) -> ModelFile:
    """Read and check the head of a GGUF file.

    Raises:
        ModelFileError: there is none, it is none, or it is not whole.
    """
    try:
        with file.open("rb") as stream:
            size_bytes = file.stat().st_size
            return _Head(stream, file, size_bytes).model()
    except OSError as cause:
        raise ModelFileError(
            str(file), f"it cannot be read ({cause.strerror or cause})", "Name a GGUF file."
        ) from None


class _Head:
    """Reads one head from its start."""

    def __init__(self, stream: BinaryIO, file: Path, size_bytes: int) -> None:
        self._stream = stream
        self._file = file
        self._size_bytes = size_bytes
        self._end = min(size_bytes, _HEAD_BYTES_MAX)
        self._place = 0

    def model(self) -> ModelFile:
        if self._size_bytes < len(_MAGIC) or self._bytes(len(_MAGIC)) != _MAGIC:
            raise self._wrong("it is no GGUF file", "Convert the model to GGUF, or name another.")
        version = self._number("<I")
        if version not in _VERSIONS:
            raise self._wrong(f"GGUF version {version} cannot be read", "Convert it to version 3.")
        tensors = self._count(_TENSORS_MAX, "tensors")
        pairs = self._count(_PAIRS_MAX, "values")
        values = dict(self._pair() for _ in range(pairs))
        parameters = self._checked_tensors(tensors, values)
        return self._described(values, parameters)

    def _described(self, values: dict[str, Value], parameters: int) -> ModelFile:
        architecture = str(values.get("general.architecture") or "")
        if not architecture or not parameters:
            raise self._wrong("it holds no model", "Name the file of a language model.")

        def number(key: str, default: int = 0) -> int:
            value = values.get(f"{architecture}.{key}")
            return value if isinstance(value, int) and value > 0 else default

        heads = number("attention.head_count", 1)
        head_width = number("embedding_length") // heads
        key_width = number("attention.key_length", head_width)
        value_width = number("attention.value_length", head_width)
        return ModelFile(
            size_bytes=self._size_bytes,
            parameters=parameters,
            architecture=architecture,
            title=str(values.get("general.name") or self._file.stem)[:200],
            license=str(values.get("general.license") or "")[:200],
            context_tokens=number("context_length", 2048),
            layers=number("block_count"),
            key_value_width=number("attention.head_count_kv", heads) * (key_width + value_width),
            talks="tokenizer.chat_template" in values,
        )

    def _checked_tensors(self, count: int, values: dict[str, Value]) -> int:
        """The number of parameters; all tensors must lie within the file."""
        parameters, end = 0, 0
        for _ in range(count):
            self._text()
            dimensions = [self._number("<Q") for _ in range(self._dimensions())]
            kind, offset = self._number("<I"), self._number("<Q")
            elements = math.prod(dimensions)
            parameters += elements
            block, block_bytes = _BLOCKS.get(kind, (256, 1))  # of an unknown type, next to nothing
            end = max(end, offset + elements // block * block_bytes)
        aligned = values.get("general.alignment")
        step = aligned if isinstance(aligned, int) and aligned > 0 else _ALIGNMENT
        start = -(-self._place // step) * step
        if start + end > self._size_bytes:
            raise self._cut(start + end)
        return parameters

    def _dimensions(self) -> int:
        count = self._number("<I")
        if count > _DIMENSIONS_MAX:
            raise self._wrong(f"a tensor has {count} dimensions", "Fetch the file again.")
        return count

    def _pair(self) -> tuple[str, Value]:
        key = self._text()
        return key or "", self._value(self._number("<I"))

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            self._skip_array()
            return None
        if kind not in _SCALARS:
            raise self._wrong(f"a value has the unknown type {kind}", "Fetch the file again.")
        value: Value = self._scalar(_SCALARS[kind])
        return value

    def _skip_array(self) -> None:
        kind, count = self._number("<I"), self._number("<Q")
        if kind in _SCALARS:
            self._skip(count * struct.calcsize(_SCALARS[kind]))
            return
        if kind != _STRING or count > self._end:
            raise self._wrong(f"an array has the unusable type {kind}", "Fetch the file again.")
        for _ in range(count):
            self._skip(self._number("<Q"))

    def _text(self) -> str | None:
        length = self._number("<Q")
        if length > _KEPT_TEXT_BYTES_MAX:
            self._skip(length)
            return None
        return self._bytes(length).decode("utf-8", "replace")

    def _count(self, limit: int, what: str) -> int:
        count = self._number("<Q")
        if count > limit:
            raise self._wrong(f"it says to hold {count:,} {what}", "Fetch the file again.")
        return count

    def _number(self, form: str) -> int:
        return int(self._scalar(form))

    def _scalar(self, form: str) -> int | float:
        value: int | float = struct.unpack(form, self._bytes(struct.calcsize(form)))[0]
        return value

    def _skip(self, length: int) -> None:
        if length <= _KEPT_TEXT_BYTES_MAX:
            self._bytes(length)  # a vocabulary is 100,000 short texts: seeking is slow
            return
        self._pass(length)
        self._stream.seek(length, 1)

    def _bytes(self, length: int) -> bytes:
        self._pass(length)
        content = self._stream.read(length)
        if len(content) < length:  # it was cut while we read it
            raise self._cut(self._place)
        return content

    def _pass(self, length: int) -> None:
        self._place += length
        if self._place > self._end:
            raise self._cut(self._place)

    def _cut(self, needed_bytes: int) -> ModelFileError:
        return self._wrong(
            f"it is cut short: {self._size_bytes:,} bytes of at least {needed_bytes:,}",
            "Fetch the file again.",
        )

    def _wrong(self, problem: str, remedy: str) -> ModelFileError:
        return ModelFileError(str(self._file), problem, remedy)
