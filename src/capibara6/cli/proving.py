"""`capibara6 validate`: looks at a program and, if asked, tries it in a sandbox."""

from pathlib import Path
from typing import Final

from rich.console import Console

from capibara6.cli import exit_codes
from capibara6.cli.input_files import language_of, read_data, read_program
from capibara6.cli.opening import opened
from capibara6.cli.terminal import environment_language, output, print_json, visible
from capibara6.config import load_settings
from capibara6.validation.proving import Claim, Standing, Verdict, parse_example
from capibara6.verdicts import described, summary

_TESTS_BYTES_MAX: Final = 1024 * 1024


async def validate(
    file: str,
    language: str | None,
    data: list[Path],
    examples: list[str],
    tests: Path | None,
    template: str,
    timeout_s: float | None,
    *,
    run: bool,
    as_json: bool,
) -> int:
    """Judge the program; the exit status is 1 if it is wrong."""
    settings = load_settings()
    claim = Claim(
        read_program(file, settings.limits.code_bytes_max),
        language or language_of(file),
        template,
        timeout_s,
        read_data(data, settings.limits.upload_bytes_max),
        tuple(parse_example(text) for text in examples),
        read_program(str(tests), _TESTS_BYTES_MAX) if tests else "",
        run,
    )
    words = environment_language()
    async with opened(settings, words) as platform:
        verdict = await platform.prover.judge(claim)
    if as_json:
        print_json(described(verdict, words))
    else:
        _show(verdict, words, output())
    wrong = verdict.standing is Standing.WRONG
    return exit_codes.PROGRAM_FAILED if wrong else exit_codes.OK


def _show(verdict: Verdict, language: str, console: Console) -> None:
    for finding in verdict.findings:
        text = f"{finding.line}:{finding.column} {finding.message} [{finding.code}]"
        if finding.suggestion:
            text += f" → {finding.suggestion}"
        console.print(visible(text), markup=False, style="yellow")
    for check in verdict.checks:
        mark = "✓" if check.passed else "✗"
        console.print(f"{mark} {visible(check.name)}", markup=False, highlight=False)
        if check.message:
            console.print(f"  {visible(check.message)}", markup=False, style="yellow")
    if verdict.result and verdict.result.error and not verdict.checks:
        error = verdict.result.error
        console.print(visible(f"{error.name}: {error.value}"), markup=False, style="yellow")
    console.print(summary(verdict, language), markup=False)
