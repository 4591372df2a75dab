"""What a model is told: the rules, the question, the data, and the attempt that failed. Pure.

The words stand in `wording`. The prompt keeps to a budget: columns, first lines of files, the
failed attempt and at last the question itself are shortened, and the text says where.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypedDict

from capibara6.codegen.budget import shortened
from capibara6.codegen.data_files import described_files
from capibara6.codegen.failures import described_failure
from capibara6.codegen.wording import Wording, wording
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Failure
from capibara6.domain.requests import Request, Route

CHARS_PER_TOKEN: Final = 3  # low, so that the budget holds for Spanish and code as well
_QUESTION_SHARE: Final = 0.4  # of what rules and failure leave
_ADVICE_SHARE: Final = 0.3  # of what the rules leave
_FAILURE_SHARE: Final = 0.5  # of what the rules leave
_ROOM_CHARS_MIN: Final = 1_500  # however small the budget: less would be no question at all


class Message(TypedDict):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


def build_messages(
    request: Request,
    route: Route,
    failure: Failure | None,
    prompt_tokens_max: int,
    advice: Sequence[Advice] = (),
) -> list[Message]:
    """The chat that asks for a program, or for its repair.

    Args:
        request: question and files; their columns as profiled.
        route: `language` is that of the prompt.
        failure: the attempt before; None for the first.
        advice: of the playbook, best first; what does not fit beside the rest is left out.
        prompt_tokens_max: what the prompt may take, counted at three characters a token.
    """
    words = wording(route.language)
    room = max(prompt_tokens_max * CHARS_PER_TOKEN - len(words.rules), _ROOM_CHARS_MIN)
    lessons = described_advice(advice, words.lessons, int(room * _ADVICE_SHARE))
    room -= len(lessons)
    failure_room = int(room * _FAILURE_SHARE) if failure else 0
    messages = [
        _message("system", words.rules + lessons),
        _message("user", _asked(request, words, room - failure_room)),
    ]
    if failure:
        answer, complaint = described_failure(failure, words, failure_room)
        messages += [_message("assistant", answer), _message("user", complaint)]
    return messages


def described_advice(advice: Sequence[Advice], heading: str, chars_max: int) -> str:
    """The advice as a list below a heading, as much as fits; "" without any."""
    kept: list[str] = []
    room = chars_max - len(heading)
    for one in advice:
        line = f"- {one.text}"
        if len(line) + 1 <= room:
            kept.append(line)
            room -= len(line) + 1
    return "\n".join([f"\n\n{heading}", *kept]) if kept else ""


def _asked(request: Request, words: Wording, chars_max: int) -> str:
    asked = request.question.strip()
    limit = int(chars_max * _QUESTION_SHARE) if request.files else chars_max
    question = f"{words.question}\n{shortened(asked, limit, words.cut_mark)}"
    files = described_files(request.files, words, chars_max - len(question))
    return f"{question}\n\n{files}" if files else question


def _message(role: Literal["system", "user", "assistant"], content: str) -> Message:
    # Lone surrogates, from odd file names or output, cannot be sent as UTF-8.
    return Message(role=role, content=content.encode("utf-8", "replace").decode())
