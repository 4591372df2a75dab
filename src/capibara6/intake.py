"""Makes a request out of a question and its files, or says what is wrong, before any run.

Owns the checks that both faces share: sizes, names, times, known templates. (Programs that are run
as they are have theirs in `execution.checks`.) The profile of a data file is handed in.
"""

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from capibara6.config import Settings
from capibara6.config.sections import TIMEOUT_S_MAX
from capibara6.domain.programs import Example
from capibara6.domain.requests import CANDIDATES_MAX, DataFile, Request
from capibara6.errors import DataFileError, RequestError, TooLargeError, UnknownTemplateError

QUESTION_CHARACTERS_MAX: Final = 20_000
_FILE_NAME_BYTES_MAX: Final = 255
EXAMPLES_MAX: Final = 200

Profile = Callable[[str, bytes], DataFile]


def new_run_id() -> str:
    """An id for a run: 32 hex digits."""
    return uuid.uuid4().hex


def question_request(
    question: str,
    files: Mapping[str, bytes],
    settings: Settings,
    profile: Profile,
    *,
    template: str | None = None,
    tier: str | None = None,
    timeout_s: float | None = None,
    candidates: int | None = None,
    examples: Sequence[Example] = (),
    tests: str = "",
) -> Request:
    """A request for the pipeline. Reads the files' columns, so it may take a second.

    Raises:
        RequestError: the question, a file, the template or the timeout cannot be used.
    """
    if not question.strip():
        raise RequestError("The question is empty. Say what you want to know.")
    if len(question) > QUESTION_CHARACTERS_MAX:
        raise TooLargeError("The question", len(question), QUESTION_CHARACTERS_MAX)
    _check_limits(files, settings, template, timeout_s)
    for name in files:
        _check_file_name(name)
    _check_search(candidates, examples, tests, settings)
    profiled = tuple(profile(name, content) for name, content in files.items())
    return Request(
        new_run_id(),
        question.strip(),
        profiled,
        template,
        tier,
        timeout_s,
        candidates,
        tuple(examples),
        tests,
    )


def _check_limits(
    files: Mapping[str, bytes], settings: Settings, template: str | None, timeout_s: float | None
) -> None:
    size_bytes = sum(len(content) for content in files.values())
    if size_bytes > settings.limits.upload_bytes_max:
        raise TooLargeError("The input", size_bytes, settings.limits.upload_bytes_max)
    if template is not None and template not in settings.templates:
        raise UnknownTemplateError(template, sorted(settings.templates))
    if timeout_s is not None and not (math.isfinite(timeout_s) and 0 < timeout_s <= TIMEOUT_S_MAX):
        raise RequestError(
            f"A timeout of {timeout_s:g} s is out of range: more than 0 and at most "
            f"{TIMEOUT_S_MAX} s (24 hours)."
        )


def _check_search(
    candidates: int | None, examples: Sequence[Example], tests: str, settings: Settings
) -> None:
    if candidates is not None and not 1 <= candidates <= CANDIDATES_MAX:
        raise RequestError(
            f"{candidates} candidates are out of range: from 1 to {CANDIDATES_MAX} programs."
        )
    if len(examples) > EXAMPLES_MAX:
        raise RequestError(f"{len(examples)} examples are too many: at most {EXAMPLES_MAX}.")
    if len(tests.encode(errors="replace")) > settings.limits.code_bytes_max:
        raise TooLargeError("The tests", len(tests), settings.limits.code_bytes_max)


def _check_file_name(name: str) -> None:
    if not name or name in {".", ".."} or "/" in name or "\\" in name or not name.isprintable():
        raise DataFileError(name, "this is no plain file name", "Use a name without folders.")
    if len(name.encode(errors="replace")) > _FILE_NAME_BYTES_MAX:
        raise DataFileError(name[:40] + "…", "the name is too long", "Use at most 255 bytes.")
