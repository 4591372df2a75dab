"""`capibara6 execute`: a program in a sandbox, as it is."""

from pathlib import Path

from capibara6.cli.following import follow
from capibara6.cli.input_files import language_of, read_data, read_program
from capibara6.cli.opening import opened
from capibara6.cli.terminal import environment_language
from capibara6.config import load_settings
from capibara6.domain.executions import ExecutionRequest
from capibara6.execution.checks import check_request
from capibara6.intake import new_run_id


async def execute(
    file: str,
    language: str | None,
    data: list[Path],
    template: str,
    timeout_s: float | None,
    *,
    as_json: bool,
) -> int:
    """Run the program; returns the exit status."""
    settings = load_settings()
    code = read_program(file, settings.limits.code_bytes_max)
    contents = read_data(data, settings.limits.upload_bytes_max)
    request = ExecutionRequest(
        code, language or language_of(file), template, timeout_s, files=contents
    )
    check_request(request, settings)
    words = environment_language()
    async with opened(settings, words) as platform:
        events = platform.pipeline.execute(new_run_id(), request)
        return await follow(events, settings.home, words, as_json=as_json)
