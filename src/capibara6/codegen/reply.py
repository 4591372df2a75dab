"""One answer as it grows, read from chunks in which every field may be absent or odd."""

from dataclasses import dataclass, field
from typing import Final

_CHECK_EVERY_CHARS: Final = 1_000


@dataclass(slots=True)
class Reply:
    """What an endpoint has sent so far."""

    pieces: list[str] = field(default_factory=list)
    chars: int = 0
    bytes: int = 0  # with the reasoning that the endpoint sends apart from the answer
    thought_chars: int = 0
    finish_reason: str | None = None
    stopped: str | None = None  # why reading was stopped: it is no answer any more
    prompt_tokens: int | None = None  # None: the endpoint did not say
    completion_tokens: int | None = None

    @property
    def text(self) -> str:
        """All of the answer so far."""
        return "".join(self.pieces)

    @property
    def has_begun(self) -> bool:
        """Whether the first token came, be it of the answer or of reasoning."""
        return bool(self.chars or self.thought_chars)

    @property
    def is_due_for_check(self) -> bool:
        """Whether the latest piece crossed a multiple of 1,000 characters: checks stay cheap."""
        latest = len(self.pieces[-1]) if self.pieces else 0
        return self.chars // _CHECK_EVERY_CHARS != (self.chars - latest) // _CHECK_EVERY_CHARS

    def take(self, chunk: object) -> str:
        """Add a chunk of the `openai` client (unchecked by it); return its piece of the answer."""
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self.prompt_tokens = _count(getattr(usage, "prompt_tokens", None))
            self.completion_tokens = _count(getattr(usage, "completion_tokens", None))
        choices = getattr(chunk, "choices", None)
        if not isinstance(choices, list) or not choices:
            return ""
        reason = getattr(choices[0], "finish_reason", None)
        self.finish_reason = str(reason) if reason else self.finish_reason
        return self._take_delta(getattr(choices[0], "delta", None))

    def _take_delta(self, delta: object) -> str:
        thought = _text(delta, "reasoning_content") or _text(delta, "reasoning")
        piece = _text(delta, "content")
        self.thought_chars += len(thought)
        self.bytes += len((thought + piece).encode("utf-8", "surrogatepass"))
        if piece:
            self.pieces.append(piece)
            self.chars += len(piece)
        return piece


def _text(delta: object, name: str) -> str:
    value = getattr(delta, name, None)
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
