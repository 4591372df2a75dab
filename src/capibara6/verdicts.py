"""Verdicts on programs, in words and as JSON."""

from dataclasses import asdict
from typing import Any

from capibara6.texts import say
from capibara6.validation.proving import Verdict


def described(verdict: Verdict, language: str) -> dict[str, Any]:
    """A verdict as JSON."""
    result = verdict.result
    error = result.error if result else None
    return {
        "verdict": verdict.standing,
        "proven": summary(verdict, language),
        "findings": [asdict(finding) for finding in verdict.findings],
        "checks": [asdict(check) for check in verdict.checks],
        "error": asdict(error) if error else None,
    }


def summary(verdict: Verdict, language: str) -> str:
    """What was proven, in a sentence."""
    passed = sum(check.passed for check in verdict.checks[1:])
    return say(f"verdict_{verdict.standing}", language, passed=passed, all=len(verdict.checks[1:]))
