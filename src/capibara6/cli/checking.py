"""`capibara6 doctor`, with and without `--attack`, and `capibara6 test-connection`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.console import Console

from capibara6.cli import exit_codes
from capibara6.cli.diagnostics import Check, examine
from capibara6.cli.opening import opened
from capibara6.cli.terminal import environment_language, output, print_json, visible
from capibara6.config import load_settings
from capibara6.execution import ConnectionReport, check_connection
from capibara6.supervision.environment import server_environment
from capibara6.texts import say

_ATTACK: Final = ("-m", "capibara6_sandbox", "doctor", "--attack")
_ELSEWHERE: Final = ("E2B_API_KEY", "E2B_API_URL", "E2B_SANDBOX_URL", "E2B_DOMAIN")
_PACKAGES_SHOWN = ("numpy", "pandas", "scipy", "matplotlib", "scikit-learn", "statsmodels")


async def doctor(*, as_json: bool) -> int:
    """Say what works here; 0 if all that is needed does."""
    checks = await examine()
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        _print_checks(output(), checks)
    works = all(check.ok for check in checks if check.needed)
    return exit_codes.OK if works else exit_codes.UNAVAILABLE


async def attack(options: Sequence[str], *, as_json: bool) -> int:
    """Run hostile programs; 0 if all are contained, 1 if one is not.

    Another program, the sandbox server's own, does it and prints what comes of it.
    """
    words = [*_ATTACK, *options, *(["--json"] if as_json else [])]
    keys = {name: os.environ[name] for name in _ELSEWHERE if name in os.environ}
    home = str(load_settings().home)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=server_environment(os.environ, CAPIBARA6_HOME=home, **keys)
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise


async def test_connection(*, as_json: bool) -> int:
    """Run the connection test against the configured provider."""
    settings = load_settings()
    language = environment_language()
    async with opened(settings, language) as platform:
        report = await check_connection(platform.executor)
    if as_json:
        print_json({"provider": settings.provider, "passed": report.passed, **asdict(report)})
    else:
        _print_report(output(), settings.provider, report)
    codes = [check.error_code for check in report.checks if not check.passed]
    return exit_codes.of_run(codes[0] or "program_failed") if codes else exit_codes.OK


def _print_checks(console: Console, checks: list[Check]) -> None:
    language = environment_language()
    for check in checks:
        key = "check_ok" if check.ok else "check_failed" if check.needed else "check_warning"
        style = {"check_ok": "green", "check_failed": "red"}.get(key, "yellow")
        line = f"{say(key, language):<8} {check.part + ' ' + check.name:<32} {check.detail}"
        console.print(visible(line), style=style, markup=False, soft_wrap=True)
        if not check.ok and check.remedy:
            for text in check.remedy.splitlines():
                console.print(f"         {text}", markup=False, soft_wrap=True)


def _print_report(console: Console, provider: str, report: ConnectionReport) -> None:
    language = environment_language()
    for check in report.checks:
        word = say("check_ok" if check.passed else "check_failed", language)
        line = f"{word:<8} {check.name:<14} {check.wall_s:6.2f} s  {check.detail}"
        style = "green" if check.passed else "red"
        console.print(visible(line), style=style, markup=False, soft_wrap=True)
    known = {name.lower(): version for name, version in report.packages.items()}
    shown = [f"{name} {known[name]}" for name in _PACKAGES_SHOWN if name in known]
    if shown:
        console.print("  " + ", ".join(shown), markup=False, soft_wrap=True)
    console.print(say("provider", language, provider=provider), style="dim", soft_wrap=True)
