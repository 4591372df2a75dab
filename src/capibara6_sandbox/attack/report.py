"""An attack's results for people and programs."""

import json
from collections.abc import Sequence
from typing import Any

from capibara6_sandbox.attack.verdicts import Verdict


def as_line(verdict: Verdict) -> str:
    """Return one row of the table."""
    program = verdict.program
    state = "skipped" if verdict.skipped else "contained" if verdict.contained else "BREACH"
    told = verdict.skipped or "; ".join(verdict.breaches) or ", ".join(verdict.met[:3]) or "-"
    return (
        f"{program.id:<34} {program.language:<10} {state:<9} {verdict.seconds:5.1f} s  {told[:110]}"
    )


def summary(verdicts: Sequence[Verdict], seconds: float) -> str:
    """Return what it came to."""
    run = [verdict for verdict in verdicts if not verdict.skipped]
    contained = sum(verdict.contained for verdict in run)
    text = f"{contained} of {len(run)} hostile programs contained, in {seconds:.0f} s."
    if skipped := len(verdicts) - len(run):
        text += f" {skipped} skipped."
    if unseen := sum(bool(verdict.unseen) for verdict in run):
        text += f" {unseen} could be judged from outside in part only."
    return text


def as_json(verdicts: Sequence[Verdict], seconds: float, degraded: Sequence[str]) -> str:
    """Return all of it."""
    return json.dumps(
        {
            "contained": all(verdict.contained or verdict.skipped for verdict in verdicts),
            "seconds": round(seconds, 1),
            "degraded": list(degraded),
            "programs": [_record(verdict) for verdict in verdicts],
        }
    )


def _record(verdict: Verdict) -> dict[str, Any]:
    program = verdict.program
    return {
        "id": program.id,
        "language": program.language,
        "tries": program.tries,
        "promise": program.promise,
        "contained": None if verdict.skipped else verdict.contained,
        "breaches": list(verdict.breaches),
        "met": list(verdict.met),
        "unseen": list(verdict.unseen),
        "skipped": verdict.skipped,
        "seconds": round(verdict.seconds, 2),
    }
