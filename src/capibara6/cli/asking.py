"""`capibara6 ask`: a question through the whole pipeline, shown as it happens."""

import asyncio
from pathlib import Path

from capibara6.cli.following import follow
from capibara6.cli.input_files import read_data
from capibara6.cli.opening import opened
from capibara6.config import load_settings
from capibara6.intake import question_request
from capibara6.language.detection import detect_language
from capibara6.main import profile


async def ask(
    question: str,
    data: list[Path],
    template: str | None,
    tier: str | None,
    timeout_s: float | None,
    *,
    as_json: bool,
) -> int:
    """Answer the question; returns the exit status."""
    settings = load_settings()
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
    )
    language = detect_language(question)
    async with opened(settings, language) as platform:
        events = platform.pipeline.run(request)
        return await follow(events, settings.home, language, as_json=as_json)
