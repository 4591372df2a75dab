"""Whether failures are named as people name them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.evaluation.records import read_lines, text_of
from capibara6.repair.diagnosis import diagnose_result
from capibara6.repair.evidence import evidence_of

_REQUEST: Final = Request("0" * 32, "")
# Other names that logs use for our classes; coarser ones stand for several.
_ALIASES: Final[dict[str, frozenset[str]]] = {
    name: frozenset(kinds.split())
    for name, kinds in {
        "import": "missing_module missing_name attribute_removed",
        "module_not_found": "missing_module",
        "missing_package": "missing_module",
        "missing_import": "missing_module missing_name name",
        "column_not_found": "unknown_column",
        "missing_column": "unknown_column",
        "wrong_column": "unknown_column",
        "key": "unknown_key unknown_column",
        "missing_key": "unknown_key unknown_column",
        "undefined_name": "name",
        "undefined_variable": "name",
        "type": "type_mismatch arguments none",
        "wrong_type": "type_mismatch",
        "wrong_argument": "arguments attribute_removed",
        "wrong_arguments": "arguments attribute_removed",
        "bad_argument": "arguments attribute_removed",
        "unexpected_keyword": "arguments attribute_removed",
        "value": "bad_value shape missing_values empty_data too_few_rows ambiguous_truth",
        "deprecated": "attribute_removed",
        "deprecated_api": "attribute_removed",
        "removed": "attribute_removed",
        "removed_api": "attribute_removed",
        "api_removed": "attribute_removed",
        "renamed": "attribute_removed",
        "version": "attribute_removed",
        "missing_attribute": "attribute attribute_removed",
        "file_not_found": "missing_file",
        "file_missing": "missing_file",
        "permission": "file_access network_denied",
        "memory": "out_of_memory memory",
        "oom": "out_of_memory memory",
        "network": "network_denied",
        "connection": "network_denied",
        "index_out_of_range": "index",
        "out_of_range": "index",
        "division_by_zero": "zero_division",
        "shape_mismatch": "shape",
        "dimension": "shape",
        "dimension_mismatch": "shape",
        "indentation": "syntax",
        "parse": "syntax file_format bad_value",
        "date": "bad_value",
        "date_parse": "bad_value",
        "conversion": "bad_value type_mismatch",
        "nan": "missing_values",
        "missing_data": "missing_values empty_data",
        "unicode": "encoding",
        "decode": "encoding",
        "ambiguous": "ambiguous_truth",
        "time_out": "timeout",
        "timeout": "timeout",
        "empty": "empty_data",
        "assert": "assertion",
        "recursion_depth": "recursion",
        "unknown": "other",
        "runtime": "other",
    }.items()
}
_SUFFIX = re.compile(r"_?(?:error|exception|warning)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class LabelledError:
    """What a failed program printed, with the class that a person says it is."""

    stderr: str
    code: str
    label: str


@dataclass(frozen=True, slots=True)
class Named:
    """One failure with what it was taken for."""

    error: LabelledError
    kind: str
    exception: str  # its class, without its module

    @property
    def right(self) -> bool:
        """Whether the class is the label's, at the label's fineness."""
        label = plain_label(self.error.label)
        if self.kind in (self.error.label, label) or self.kind in _ALIASES.get(label, ()):
            return True
        return bool(self.exception) and label == plain_label(self.exception)


def read_errors(path: Path) -> list[LabelledError]:
    """Read lines {"stderr", "code", "label"}.

    Raises:
        DataFileError: a line is not like that.
    """
    return read_lines(path, _labelled)


def name_errors(errors: Sequence[LabelledError]) -> list[Named]:
    """Name each failure by what it printed and the program."""
    return [_named(error) for error in errors]


def accuracy_by_label(results: Sequence[Named]) -> dict[str, float]:
    """The share of the failures of each label that were named so."""
    totals = Counter(result.error.label for result in results)
    rights = Counter(result.error.label for result in results if result.right)
    return {label: rights[label] / total for label, total in sorted(totals.items())}


def plain_label(label: str) -> str:
    """A label in our spelling: `KeyError`, `key-error` and `key_error` read `key`."""
    words = re.findall(r"[a-z0-9]+", _CAMEL.sub("_", label).lower())
    return _SUFFIX.sub("", "_".join(words)) or label


def _named(error: LabelledError) -> Named:
    result = ExecutionResult(success=False, stderr=error.stderr)
    diagnosis = diagnose_result(result, Program(error.code), _REQUEST, "en")
    return Named(error, diagnosis.kind, evidence_of(result).name)


def _labelled(value: Mapping[str, Any]) -> LabelledError:
    code = text_of(value, "code", "")
    return LabelledError(text_of(value, "stderr"), code, text_of(value, "label"))
