"""Which lessons of a prompt had a part in what became of the program. Pure."""

from collections.abc import Mapping

from capibara6.ace.complaints import failing_line, words_said
from capibara6.ace.deltas import HARMFUL, HELPFUL, UNUSED
from capibara6.ace.signatures import base_of, signatures, words_of
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.playbook import Bullet
from capibara6.domain.programs import Program


def verdict(
    bullet: Bullet,
    program: Program,
    ended: ExecutionResult | ExecutionError | None,
    good: bool,
) -> str:
    """What a bullet did for an attempt: "helpful", "harmful" or "unused".

    A lesson about a use of packages counts where the program follows it: for it when the program
    worked, against it when the error names what the lesson recommends. Of one that is about no use,
    the outcome alone can be told.

    Args:
        bullet: in the prompt.
        program: that came of it.
        ended: its result, or the error that a check foresaw; None: neither is known.
        good: whether the attempt answered the question.
    """
    if not bullet.remedy:
        if bullet.trigger and bullet.trigger in signatures(program.code):
            return UNUSED  # it was not heeded
        return HELPFUL if good else HARMFUL if not bullet.trigger else UNUSED
    used = signatures(program.code)
    followed = [name for name in bullet.remedy if name in used]
    if not followed or (bullet.trigger in used and base_of(bullet.trigger) == bullet.trigger
                        and not _grows(bullet)):  # fmt: skip
        return UNUSED
    if good:
        return HELPFUL
    error = ended.error if isinstance(ended, ExecutionResult) else ended
    return HARMFUL if _is_blamed(followed, used, error) else UNUSED


def _grows(bullet: Bullet) -> bool:
    """Whether the remedy is the same call, given more."""
    return any(base_of(name) == bullet.trigger for name in bullet.remedy)


def _is_blamed(
    followed: list[str], used: Mapping[str, tuple[int, ...]], error: ExecutionError | None
) -> bool:
    """Whether the error names what the lesson recommends, or its line holds it."""
    if error is None:
        return False
    said, line = words_said(error), failing_line(error)
    return any(
        line in used[name] or any(word in said for word in words_of(name)) for name in followed
    )
