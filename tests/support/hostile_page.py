"""The page of hostile programs: which layer stops which, from what was measured."""

import json
from pathlib import Path
from typing import Final

from capibara6_sandbox.attack.programs import Program, programs
from support.walls_off import LAYERS, LIMITS

ROOT: Final = Path(__file__).parents[2]
RECORD: Final = ROOT / "tests/security/hostile_layers.json"
FRAME: Final = Path(__file__).with_suffix(".txt")  # the page, but for what is computed
PAGE: Final = ROOT / "docs/HOSTILE_PROGRAMS.md"
ALL, NONE = "all layers", "no layer"
ALL_LIMITS = "all limits"

Results = dict[str, dict[str, list[str]]]  # breaches, by configuration and program

_OUTLIVED: Final = "outlived its sandbox"


def measured() -> list[Program]:
    """Return the programs of the table.

    Not those that only take resources, which a lab without cgroups cannot show; nor those that run
    in a warm kernel or only print, which the agent's protocol contains; nor those that end all they
    can, and without walls that is who measures.
    """
    left_out = ("resources", "output")
    chosen = [p for p in programs() if p.via == "command" and p.topic not in left_out]
    return [p for p in chosen if not p.id.startswith(("kill-", "spin-", "zombies"))]


def limited() -> list[Program]:
    """Return the programs that only take resources."""
    hogs = ("spin-", "zombies")
    return [p for p in programs() if p.topic == "resources" or p.id.startswith(hogs)]


def read() -> Results:
    """Return what was measured."""
    results: Results = json.loads(RECORD.read_text())
    return results


def broke_out(results: Results, configuration: str, program: Program) -> bool:
    """Whether a program got somewhere in a configuration.

    Without a PID namespace every program's process outlives its sandbox: that counts only for
    those that try to.
    """
    breaches = results.get(configuration, {}).get(program.id, [])
    if program.promise != "T-HOG-2":
        breaches = [breach for breach in breaches if _OUTLIVED not in breach]
    return bool(breaches)


def stoppers(results: Results, program: Program) -> list[str]:
    """Return the layers that stop a program alone; none if it gets nowhere without any."""
    if not broke_out(results, NONE, program):
        return []
    asked = [layer for layer in LAYERS if program.id in results.get(f"only {layer}", {})]
    return [layer for layer in asked if not broke_out(results, f"only {layer}", program)]


def needed(results: Results, program: Program) -> list[str]:
    """Return the layers without which, alone, a program gets somewhere."""
    return [layer for layer in LAYERS if broke_out(results, f"without {layer}", program)]


def page(results: Results) -> str:
    """Return the whole page."""
    shown = [p for p in measured() if any(broke_out(results, name, p) for name in results)]
    refused = [program for program in measured() if program not in shown]
    resources = limited()
    enders = [p for p in programs() if p.id.startswith("kill-")]
    told = [*measured(), *resources, *enders]
    others = [p for p in programs() if p not in told]
    return FRAME.read_text().format(
        count=len(programs()),
        broke=len(shown),
        measured=len(measured()),
        table=_table(results, shown),
        alone=_alone(results, shown),
        refused=_names(refused),
        limits=_limits(results, resources),
        enders=_names(enders),
        output=_names(others),
        list=_list(),
    )


def _table(results: Results, shown: list[Program]) -> str:
    rows = ["| program | " + " | ".join(LAYERS) + " |", "|---|" + ":-:|" * len(LAYERS)]
    for program in shown:
        alone, alone_missing = stoppers(results, program), needed(results, program)
        marks = [
            ("●" if layer in alone else "") + ("!" if layer in alone_missing else "")
            for layer in LAYERS
        ]
        rows.append(f"| {program.id} | " + " | ".join(marks) + " |")
    layers = [f"- {layer}: {what}" for layer, what in LAYERS.items()]
    return "\n".join([*layers, "", *rows]) + "\n" + _gaps(results)


def _limits(results: Results, resources: list[Program]) -> str:
    broke = [p for p in resources if any(broke_out(results, name, p) for name in _bounds())]
    rows = ["| program | " + " | ".join(LIMITS) + " |", "|---|" + ":-:|" * len(LIMITS)]
    for program in broke:
        only = (results.get(f"only the limits of {kind}", {}) for kind in LIMITS)
        lacking = (results.get(f"without the limits of {kind}", {}) for kind in LIMITS)
        marks = [
            ("●" if program.id in alone and not alone[program.id] else "")
            + ("!" if missing.get(program.id) else "")
            for alone, missing in zip(only, lacking, strict=True)
        ]
        rows.append(f"| {program.id} | " + " | ".join(marks) + " |")
    kinds = [f"- {kind}: {what}" for kind, what in LIMITS.items()]
    met = [p for p in resources if p not in broke]
    others = f"\nNot seen to take more than they may, whatever is missing: {_names(met)}.\n"
    lacking = [name for name in _bounds() if name not in results]
    gaps = f"\nNot measured yet: {', '.join(lacking)}.\n" if lacking else ""
    return "\n".join([*kinds, "", *rows]) + "\n" + others + gaps


def _bounds() -> list[str]:
    each = [f"without the limits of {kind}" for kind in LIMITS]
    return [ALL_LIMITS, "only the limits of cgroups", *each]


def _gaps(results: Results) -> str:
    """Say which configurations have not been measured."""
    wanted = [f"{how} {layer}" for how in ("only", "without") for layer in LAYERS]
    lacking = [name for name in wanted if name not in results]
    return f"\nNot measured yet: {', '.join(lacking)}.\n" if lacking else ""


def _alone(results: Results, shown: list[Program]) -> str:
    lines = []
    for program in shown:
        layers = needed(results, program)
        if layers:
            lines.append(f"- `{program.id}`: {', '.join(layers)} ({program.tries})")
    complete = not _gaps(results)
    without = [p for p in shown if complete and not stoppers(results, p) + needed(results, p)]
    text = "\n".join(lines) + "\n" if lines else "Nowhere: every program is stopped by two.\n"
    if without:
        text += f"\nNo layer stops these alone; several together do: {_names(without)}.\n"
    return text


def _names(chosen: list[Program]) -> str:
    return ", ".join(f"`{program.id}`" for program in chosen) or "none"


def _list() -> str:
    rows = [
        "| program | language, as | tries | rows | promise | judged also by |",
        "|---|---|---|---|---|---|",
    ]
    for p in programs():
        numbers, oracles = ", ".join(map(str, p.rows)), ", ".join(p.oracles) or "–"
        how = f"{p.language}, {'cell' if p.via == 'cell' else p.user}"
        rows.append(f"| {p.id} | {how} | {p.tries} | {numbers} | {p.promise} | {oracles} |")
    return "\n".join(rows) + "\n"
