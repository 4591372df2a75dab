"""A failed attempt mapped to its class, cause and hint. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request
from capibara6.language.detection import detect_language
from capibara6.repair.cases import Case, resolve
from capibara6.repair.evidence import Evidence, evidence_of
from capibara6.repair.names import close_names, listed, quoted_names
from capibara6.repair.phrases import (
    AT_LINE,
    COLUMNS_UNKNOWN,
    MEANT,
    NOTHING_GIVEN,
    OTHER_PACKAGES,
    PHRASES,
    language_of,
)
from capibara6.repair.rules import match_rule

_MESSAGE_CHARS_MAX: Final = 240
_LIST_CHARS_MAX: Final = 600
_LINE_CHARS_MAX: Final = 100
# By the rule of a check: the class of failure, and the phrase that says it.
_FOUND: Final = {
    "F821": ("name", "name"),
    "F823": ("name", "unbound"),
    "no-package": ("missing_module", "absent"),
    "no-name": ("missing_name", "absent"),
    "no-keyword": ("arguments", "absent"),
    "no-file": ("missing_file", "absent"),
}
_LOCATION = re.compile(r"\s*\((?:<[^>]*>|[\w./-]+\.py)?,? ?line \d+\)\s*$")
_BACKTICKED = re.compile(r"`([^`]+)`")
_WITHOUT_LINE: Final = frozenset({"timeout", "out_of_memory", "killed_kernel", "output_limit"})


def diagnose(
    program: Program,
    result: ExecutionResult | None,
    findings: tuple[Finding, ...],
    request: Request,
    language: str | None = None,
) -> Diagnosis:
    """Say why an attempt failed: by its findings, or else by its result.

    Args:
        program: what was to run.
        result: None when validation stopped the program.
        findings: of validation.
        request: its files give the names that do exist.
        language: "es" | "en"; None: that of the question.
    """
    spoken = language or detect_language(request.question)
    if result is None:
        return diagnose_findings(findings, program, spoken)
    return diagnose_result(result, program, request, spoken)


def diagnose_result(
    result: ExecutionResult, program: Program, request: Request, language: str
) -> Diagnosis:
    """Say why an execution failed.

    Args:
        result: with an error, or with one at the end of stderr.
        program: what ran; the diagnosis quotes its line.
        request: its files give the names that do exist.
        language: "es" | "en"; any other reads English.
    """
    language = language_of(language)
    evidence = evidence_of(result)
    columns = [column.name for file in request.files for column in file.columns]
    found = match_rule(evidence)
    if found is None:
        case = Case("other", "other", {})
    else:
        rule, fields = found
        case = resolve(Case(rule.kind, rule.phrase, fields), evidence, columns)
    fields = _context(program, request, language) | _message(evidence) | case.fields
    fields |= _specific(case, columns, program, language)
    cause, hint = PHRASES[case.phrase][language]
    cause = cause.format_map(fields)
    if case.kind not in _WITHOUT_LINE:
        cause = _with_line(cause, evidence.line, program, language)
    return Diagnosis(case.kind, cause, hint.format_map(fields))


def diagnose_findings(findings: Sequence[Finding], program: Program, language: str) -> Diagnosis:
    """Say why validation stopped a program, by its first finding.

    Args:
        findings: at least one.
        program: what was checked; the diagnosis quotes its line.
        language: "es" | "en"; any other reads English.
    """
    language = language_of(language)
    first = findings[0]
    kind, phrase = _FOUND.get(first.code, ("syntax", "syntax"))
    quoted = _BACKTICKED.search(first.message)
    name = repr(quoted[1] if quoted else first.message)
    fields = {"message": first.message, "name": name, "language": program.language}
    fields["meant"] = _meant([first.suggestion] if first.suggestion else [], language, quote=False)
    cause, hint = PHRASES[phrase][language]
    cause = _with_line(cause.format_map(fields), first.line, program, language)
    return Diagnosis(kind, cause, hint.format_map(fields))


def _context(program: Program, request: Request, language: str) -> dict[str, str]:
    """Fields that do not come from the error."""
    paths = [file.path for file in request.files]
    columns = [column.name for file in request.files for column in file.columns]
    return {
        "files": listed(paths, _LIST_CHARS_MAX) or NOTHING_GIVEN[language],
        "columns": listed(columns, _LIST_CHARS_MAX) or COLUMNS_UNKNOWN[language],
        "language": program.language,
        "meant": "",
        "replacement": OTHER_PACKAGES[language],
    }


def _message(evidence: Evidence) -> dict[str, str]:
    value = _LOCATION.sub("", evidence.value).strip()
    first = " ".join(value.split())
    if len(first) > _MESSAGE_CHARS_MAX:
        first = first[:_MESSAGE_CHARS_MAX] + "…"
    return {"message": first.rstrip(".") or evidence.name, "error": evidence.name or "error"}


def _specific(case: Case, columns: list[str], program: Program, language: str) -> dict[str, str]:
    """Fields that some classes need, made from the error's."""
    fields = case.fields
    if case.phrase == "unknown_column":
        missing = _missing_columns(fields, columns)
        close = [name for wanted in missing for name in close_names(wanted, columns)]
        shown = listed(missing, _MESSAGE_CHARS_MAX) or fields.get("columns", "?")
        return {
            "missing": shown,
            "meant": _meant(list(dict.fromkeys(close)), language),
            "columns": listed(columns, _LIST_CHARS_MAX) or COLUMNS_UNKNOWN[language],
        }
    if case.phrase == "name":
        close = close_names(fields["name"], sorted(set(re.findall(r"[^\W\d]\w*", program.code))))
        others = [name for name in close if name != fields["name"]]
        return {"name": repr(fields["name"]), "meant": _meant(others[:1], language)}
    quoted = {key: repr(fields[key]) for key in ("value", "file", "module") if key in fields}
    defaults = {key: "?" for key in ("value", "file", "module", "codec") if key not in fields}
    return defaults | quoted


def _missing_columns(fields: dict[str, str], columns: list[str]) -> list[str]:
    """The columns that an error complains of, without those that do exist."""
    if "column" in fields:
        return [fields["column"]]
    named = quoted_names(fields.get("columns", ""))
    return [name for name in named if name not in columns] or named


def _meant(names: Sequence[str], language: str, *, quote: bool = True) -> str:
    if not names:
        return ""
    shown = listed(names, _MESSAGE_CHARS_MAX) if quote else f"`{', '.join(names)}`"
    return MEANT[language].format(names=shown)


def _with_line(cause: str, line: int | None, program: Program, language: str) -> str:
    """The cause with the line of the program in front of its full stop."""
    lines = program.code.splitlines()
    if line is None or not 0 < line <= len(lines):
        return cause
    text = lines[line - 1].strip()[:_LINE_CHARS_MAX]
    where = AT_LINE[language].format(line=line, text=f"`{text}`")
    return f"{cause.removesuffix('.')}{where}."
