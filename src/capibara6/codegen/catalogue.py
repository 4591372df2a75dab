"""What is known beforehand of endpoints and models: where to look, sizes, OpenAI's prices."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

OPENAI_URL: Final = "https://api.openai.com/v1"
_NO_CHAT = re.compile(
    r"embed|bge|rerank|whisper|tts|dall-e|image|moderation|clip|audio|realtime|transcribe", re.I
)
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*b(?![a-z])", re.I)
_SIZE_UNKNOWN: Final = 8.0
_SIZES: Final = {"mini": 4.0, "mistral": 7.0, "codellama": 7.0, "gemma": 9.0, "phi": 4.0}


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A model server as it listens by default."""

    name: str
    base_url: str


LOCAL_SERVERS: Final = (
    LocalServer("Ollama", "http://127.0.0.1:11434/v1"),
    LocalServer("vLLM", "http://127.0.0.1:8000/v1"),
    LocalServer("llama.cpp", "http://127.0.0.1:8080/v1"),
)


@dataclass(frozen=True, slots=True)
class OpenAIModel:
    """A model of OpenAI's with its list price of 2025; e2b_config.json can say otherwise."""

    model: str
    usd_per_million_tokens_in: float
    usd_per_million_tokens_out: float
    context_tokens: int


# From cheap to strong; in each group the preferred one first.
_OPENAI_MODELS: Final = (
    (
        OpenAIModel("gpt-4.1-nano", 0.10, 0.40, 1_000_000),
        OpenAIModel("gpt-4o-mini", 0.15, 0.60, 128_000),
        OpenAIModel("gpt-5-nano", 0.05, 0.40, 400_000),
    ),
    (
        OpenAIModel("gpt-4.1-mini", 0.40, 1.60, 1_000_000),
        OpenAIModel("gpt-5-mini", 0.25, 2.00, 400_000),
    ),
    (
        OpenAIModel("gpt-4.1", 2.00, 8.00, 1_000_000),
        OpenAIModel("gpt-4o", 2.50, 10.00, 128_000),
        OpenAIModel("gpt-5", 1.25, 10.00, 400_000),
    ),
)


def is_chat_model(model: str) -> bool:
    """Whether a model, by its name, answers in words."""
    return _NO_CHAT.search(model) is None


def size_of(model: str) -> float:
    """Billions of parameters, as far as the name tells (`qwen2.5-coder:7b` -> 7)."""
    if sizes := _SIZE.findall(model):
        return float(sizes[-1])
    lower = model.lower()
    return next((size for word, size in _SIZES.items() if word in lower), _SIZE_UNKNOWN)


def openai_choices(available: Sequence[str]) -> list[OpenAIModel | None]:
    """From cheap to strong, the known models that the key may use; None where there is none."""
    return [
        next((model for model in group if model.model in available), None)
        for group in _OPENAI_MODELS
    ]
