"""Which error is of which class: one table, read from top to bottom, first match wins.

Sources: the errors of Python 3.11, pandas 3, NumPy 2, scikit-learn 1.9, matplotlib 3.11, seaborn
0.13 and plotly 7, recorded by tests/record_tracebacks.py.
"""

import re
from dataclasses import dataclass
from typing import Final

from capibara6.repair.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Rule:
    """A class of failure and how to know it.

    Attributes:
        kind: one of KINDS.
        names: the exceptions it is about; empty for any.
        pattern: found in the error's text; its named groups are the fields of the phrase.
        frames: found in the traceback.
        phrase: which words say it; the kind's own by default.
    """

    kind: str
    names: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    frames: re.Pattern[str] | None = None
    phrase: str = ""


def _rule(kind: str, names: str = "", value: str = "", frames: str = "", phrase: str = "") -> Rule:
    return Rule(
        kind,
        frozenset(names.split()),
        re.compile(value, re.DOTALL) if value else None,
        re.compile(frames) if frames else None,
        phrase or kind,
    )


_QUOTED: Final = r"['\"`]?(?P<{}>[^'\"`]*)['\"`]?"
_NETWORK_ERRORS: Final = (
    "gaierror herror URLError HTTPError ConnectionError ConnectTimeout ConnectionRefusedError "
    "ConnectionResetError NewConnectionError NameResolutionError MaxRetryError ReadTimeout "
    "ProxyError SSLError ClientConnectorError ConnectError RemoteDisconnected"
)
_NETWORK: Final = (
    r"site-packages/(?:requests|urllib3|httpx)|/(?:urllib/request|socket|http/client)\.py"
)

RULES: Final = (
    # Limits of the sandbox, by the names that the executor gives them.
    _rule("network_denied", "Timeout TimeoutError", frames=_NETWORK),
    _rule("timeout", "Timeout"),
    _rule("out_of_memory", "OutOfMemory"),
    _rule("killed_kernel", "SandboxDied KernelDied"),
    _rule("output_limit", "OutputLimit"),
    _rule("interrupted", "KeyboardInterrupt"),
    # The language.
    _rule("syntax", "SyntaxError IndentationError TabError"),
    _rule("name", "UnboundLocalError", r"variable " + _QUOTED.format("name"), phrase="unbound"),
    _rule("name", "NameError", r"name " + _QUOTED.format("name")),
    _rule("name", "ReferenceError", r"(?P<name>[\w$]+) is not defined"),
    _rule("zero_division", "ZeroDivisionError"),
    _rule("recursion", "RecursionError"),
    _rule("assertion", "AssertionError"),
    _rule("exit", "SystemExit"),
    _rule("input", "StdinNotImplementedError EOFError", frames=r"\binput\b"),
    _rule("input", "StdinNotImplementedError"),
    # Modules and what they hold.
    _rule("missing_module", "ModuleNotFoundError", r"No module named " + _QUOTED.format("module")),
    _rule("missing_module", "ImportError", r"dependency " + _QUOTED.format("module")),
    _rule("missing_module", "ImportError", r"`(?:Import )?(?P<module>\w+)` (?:failed|is required)"),
    _rule(
        "attribute_removed", "ImportError", r"`(?P<attribute>\w+)` has been removed", phrase="gone"
    ),
    _rule("import", "ImportError", r"import name '(?P<attribute>\w+)' from '(?P<owner>[\w.]+)'"),
    # The machine.
    _rule("network_denied", _NETWORK_ERRORS),
    _rule("network_denied", "OSError", r"unreachable|name resolution|Name or service|resolve host"),
    _rule("network_denied", "PermissionError", frames=_NETWORK),
    _rule("disk_full", "", r"\[Errno (?:28|122)\]|No space left on device|[Dd]isk quota"),
    _rule("memory", "MemoryError _ArrayMemoryError ArrowMemoryError"),
    _rule("memory", "", r"Unable to allocate|[Cc]annot allocate memory"),
    _rule("processes", "", r"can't start new thread|Resource temporarily unavailable"),
    # Files.
    _rule("encoding", "UnicodeEncodeError", phrase="encoding_write"),
    _rule("encoding", "UnicodeDecodeError UnicodeError", r"'(?P<codec>[\w-]+)' codec"),
    _rule("missing_file", "FileNotFoundError", r"directory: " + _QUOTED.format("file")),
    _rule("missing_file", "FileNotFoundError"),
    _rule("file_access", "IsADirectoryError NotADirectoryError PermissionError FileExistsError"),
    _rule("file_access", "OSError", r"Read-only file system|non-existent directory"),
    _rule("empty_data", "EmptyDataError"),
    _rule("file_format", "ParserError", r"tokenizing|fields|EOF|delimiter"),
    _rule("file_format", "BadZipFile JSONDecodeError ArrowInvalid XLRDError InvalidFileException"),
    _rule("file_format", "ValueError", r"Excel file format|Expected object or value|Trailing data"),
    _rule("file_format", "UnidentifiedImageError"),
    # Columns: each library has its own words for a column that is not there.
    _rule("unknown_column", "KeyError", r"^(?P<columns>.*) not in index"),
    _rule("unknown_column", "KeyError", r"None of (?P<columns>.*) are in the \[?columns"),
    _rule("index", "KeyError", r"None of (?P<label>.*) are in the \[index\]"),
    _rule("unknown_column", "KeyError", r"^(?P<columns>.*) not found in axis"),
    _rule("unknown_column", "KeyError", r"(?:Label|Column)\(s\) (?P<columns>.*) do not exist"),
    _rule("unknown_column", "KeyError", r"Columns? not found: (?P<column>[^'\"]+)"),
    _rule("unknown_column", "KeyError", r"not present in the DataFrame: (?P<columns>.*)"),
    _rule("unknown_column", "KeyError", r"^\"?(?P<columns>(?:Index\()?\[.*\])", r"/pandas/core/"),
    _rule("pandas_key", "KeyError", r"^(?P<key>.*)", r"/pandas/"),
    _rule("unknown_key", "KeyError", r"^(?P<key>.*)"),
    _rule("unknown_column", "UndefinedVariableError", r"name '(?P<column>.*)' is not"),
    _rule("unknown_column", "ValueError", r"columns expected but not found: (?P<columns>.*)"),
    _rule("unknown_column", "ValueError", r"provided to 'parse_dates': (?P<columns>.*)"),
    _rule("unknown_column", "ValueError", r"interpret value `(?P<column>.*?)` for"),
    _rule(
        "unknown_column",
        "ValueError",
        r"not columns of the dataframe: (?P<columns>.*)",
    ),
    _rule(
        "plotly_column", "ValueError", r"Value of '(?P<argument>\w+)' is not the name of a column"
    ),
    _rule(
        "unknown_column",
        "PatsyError FactorEvaluationError",
        r"name '(?P<column>[^']*)' is not defined",
    ),
    # Attributes and arguments.
    _rule(
        "type_mismatch", "AttributeError", r"only use \.(?P<accessor>str) ", phrase="accessor_str"
    ),
    _rule("type_mismatch", "AttributeError", r"only use \.(?P<accessor>dt) ", phrase="accessor_dt"),
    _rule("type_mismatch", "AttributeError", r"'NoneType' object has no", phrase="none"),
    _rule(
        "attribute_removed",
        "AttributeError",
        r"`(?P<attribute>np\.\w+)` was removed.*Use `(?P<replacement>[^`]+)`",
    ),
    _rule(
        "owned_attribute",
        "AttributeError",
        r"(?:module |type object |^)'(?P<owner>[\w.]+)'(?: object)? has no attribute "
        r"'(?P<attribute>\w+)'",
    ),
    _rule("attribute", "AttributeError"),
    _rule(
        "attribute_removed",
        "OSError",
        r"'(?P<attribute>seaborn[\w-]*)' is not a valid package style",
        phrase="style",
    ),
    _rule(
        "keyword",
        "TypeError",
        r"(?:(?P<function>\w+)\(\) )?got an unexpected keyword argument '(?P<keyword>\w+)'",
    ),
    _rule(
        "arguments",
        "TypeError",
        r"positional argument|required keyword|multiple values for|takes no arg",
    ),
    # Values that are missing, too few, or not what they look like.
    _rule(
        "missing_values",
        "",
        r"contains NaN|non-finite values|float NaN to integer|contains infinity",
    ),
    _rule("missing_values", "", r"NaT|NAType", phrase="missing_values"),
    _rule(
        "too_few_rows",
        "ValueError",
        r"n_samples=\d+ should be|number of splits|least populated class",
    ),
    _rule(
        "too_few_rows",
        "ValueError",
        r"test_size=.*(?:empty|number of)|resulting train set will be empty",
    ),
    _rule(
        "empty_data",
        "ValueError",
        r"0 sample\(s\)|empty sequence|zero-size array|[Ee]mpty (?:data|list)",
    ),
    _rule(
        "empty_data",
        "ValueError",
        r"is an empty iterable|No objects to concatenate|no numeric data",
    ),
    _rule(
        "frequency",
        "ValueError",
        r"Invalid frequency: (?P<frequency>\w+)(?:.*?Please use '(?P<replacement>\w+)')?",
    ),
    _rule(
        "attribute_removed", "ValueError", r"invalid error value specified", phrase="errors_ignore"
    ),
    _rule("bad_value", "DateParseError OutOfBoundsDatetime", phrase="date"),
    _rule(
        "bad_value",
        "",
        r"time data|doesn't match format|datetime string|string format|out of range for month|"
        r"month must be",
        phrase="date",
    ),
    _rule(
        "bad_value",
        "ValueError",
        r"(?:to float|Unable to parse string|for int\(\)|for float\(\)).*?"
        r"'(?P<value>[^']*\d[^']*)'",
        phrase="number",
    ),
    _rule(
        "type_mismatch",
        "ValueError",
        r"string to float: (?P<value>.*)|Unable to parse string (?P<text>.*)",
        phrase="text_for_number",
    ),
    _rule("ambiguous_truth", "ValueError", r"truth value of"),
    _rule(
        "shape",
        "ValueError",
        r"[Ee]xpected (?:a )?2[-D]|Reshape your data",
        phrase="two_dimensions",
    ),
    _rule("shape", "", r"(?:same|not match|mismatch).*(?:length|dimension|shape|elements)"),
    _rule(
        "shape",
        "",
        r"[Ll]ength (?:of values|mismatch)|[Ll]engths? must match|must be of the same length",
    ),
    _rule(
        "shape",
        "",
        r"broadcast|cannot reshape|inconsistent numbers|mismatch in its core|not aligned",
    ),
    _rule("shape", "ValueError", r"values to unpack", phrase="unpack"),
    # Types.
    _rule(
        "type_mismatch",
        "TypeError",
        r"perform reduction|not support operation|agg function failed|to numeric",
        phrase="text_for_number",
    ),
    _rule("type_mismatch", "TypeError", r"Only valid with DatetimeIndex", phrase="datetime_index"),
    _rule("type_mismatch", "TypeError", r"'NoneType'", phrase="none"),
    _rule("type_mismatch", "TypeError"),
    # Positions.
    _rule("index", "IndexError StopIteration", phrase="position"),
    _rule("bad_value", "OverflowError LinAlgError ValueError FloatingPointError"),
    _rule("event_loop", "RuntimeError", r"running event loop"),
)


def match_rule(evidence: Evidence) -> tuple[Rule, dict[str, str]] | None:
    """The first rule that fits, with the fields that its pattern found."""
    value, traceback = evidence.value, evidence.traceback
    for rule in RULES:
        if rule.names and evidence.name not in rule.names:
            continue
        if rule.frames and not rule.frames.search(traceback):
            continue
        if rule.pattern is None:
            return rule, {}
        if found := rule.pattern.search(value):
            return rule, {
                name: text for name, text in found.groupdict().items() if text is not None
            }
    return None
