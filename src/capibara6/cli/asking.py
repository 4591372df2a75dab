"""`capibara6 ask`: a question through the whole pipeline, shown as it happens."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capibara6.cli.following import follow
from capibara6.cli.input_files import read_data, read_program
from capibara6.cli.opening import opened
from capibara6.config import load_settings
from capibara6.intake import question_request
from capibara6.language.detection import detect_language
from capibara6.main import profile
from capibara6.validation.proving import parse_example


@dataclass(frozen=True, slots=True)
class Search:
    """What is said on the command line of how to choose a program."""

    candidates: int | None = None
    examples: Sequence[str] = ()
    tests: Path | None = None


async def ask(
    question: str,
    data: list[Path],
    template: str | None,
    tier: str | None,
    timeout_s: float | None,
    *,
    search: Search,
    as_json: bool,
) -> int:
    """Answer the question; returns the exit status."""
    settings = load_settings()
    examples = tuple(parse_example(text) for text in search.examples)
    tests = read_program(str(search.tests), settings.limits.code_bytes_max) if search.tests else ""
    contents = read_data(data, settings.limits.upload_bytes_max)
    request = await asyncio.to_thread(
        question_request,
        question,
        contents,
        settings,
        profile,
        template=template,
        tier=tier,
        timeout_s=timeout_s,
        candidates=search.candidates,
        examples=examples,
        tests=tests,
    )
    language = detect_language(question)
    async with opened(settings, language) as platform:
        events = platform.pipeline.run(request)
        return await follow(events, settings.home, language, as_json=as_json)
