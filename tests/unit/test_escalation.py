"""Which tier follows a failed attempt."""

import pytest

from capibara6.domain.programs import OUTDATED, Diagnosis, Failure, Program
from capibara6.domain.requests import Request, Route
from capibara6.errors import ModelReplyError
from capibara6.escalation import Ladder
from capibara6.progress import Attempt
from capibara6.repair.kinds import KINDS
from scripted_ports import ScriptedWriter

LADDER = Ladder(tuple(ScriptedWriter(tier) for tier in ("fast", "balanced", "complex")))


def failure(kind: str, tier: str) -> Failure:
    return Failure(Program("x", tier=tier), Diagnosis(kind, "cause", "hint"))


def following(
    kind: str,
    tier: str = "fast",
    before: Failure | None = None,
    worth: tuple[str, ...] | None = None,
) -> str | None:
    """The tier after one that failed so."""
    route = Route("code", "default", tier, "en", 1.0, escalation=worth)
    attempt = Attempt(2 if before else 1, tier, Request("r", "sum"), route, before)
    attempt.failed(failure(kind, tier))
    return LADDER.after(attempt)


def test_an_error_that_shows_goes_to_the_next_tier() -> None:
    assert following("type_mismatch") == "balanced"
    assert following("type_mismatch", worth=("complex",)) == "complex"
    assert following("type_mismatch", worth=()) == "fast", "no stronger one pays"
    assert following("type_mismatch", "complex") == "complex"


@pytest.mark.parametrize("kind", sorted(OUTDATED))
def test_what_is_not_installed_is_first_mended_by_the_tier_that_used_it(kind: str) -> None:
    assert following(kind) == "fast"
    assert following(kind, before=failure("type_mismatch", "fast")) == "fast"
    assert following(kind, "balanced", before=failure(kind, "fast")) == "balanced"
    assert following(kind, before=failure(kind, "fast")) == "balanced", "it was told so before"


def test_a_writer_that_gave_no_program_mends_nothing() -> None:
    attempt = Attempt(1, "fast", Request("r", "sum"), Route("code", "default", "fast", "en", 1.0))
    attempt.refused(ModelReplyError("m", "no program"))
    assert LADDER.after(attempt) == "balanced"


def test_outdated_failures_are_known_ones() -> None:
    assert OUTDATED < KINDS
