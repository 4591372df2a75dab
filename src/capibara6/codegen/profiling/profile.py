"""From a file's bytes to its columns."""

from pathlib import PurePosixPath

from capibara6.codegen.profiling.decoding import BYTES_READ_MAX, decode
from capibara6.codegen.profiling.delimited import read_delimited
from capibara6.codegen.profiling.kinds import is_missing, kind_of
from capibara6.codegen.profiling.layout import Layout, Table
from capibara6.codegen.profiling.records import read_records
from capibara6.domain.requests import Column, DataFile
from capibara6.errors import DataFileError

COLUMNS_PROFILED_MAX = 2_000

_EXAMPLES = 3
_EXAMPLE_CHARACTERS_MAX = 40
_DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".dat", "")
_JSON = (".json", ".jsonl", ".ndjson")
_FORMATS = {".xlsx": "excel", ".xlsm": "excel", ".ods": "excel", ".xls": "excel"}
# Tables that only the program in the sandbox can read, and how their content begins.
_BINARY_TABLES = {
    ".xlsx": (b"PK",),
    ".xlsm": (b"PK",),
    ".ods": (b"PK",),
    ".xls": (b"\xd0\xcf\x11\xe0", b"\x09\x08"),
    ".parquet": (b"PAR1",),
    ".feather": (b"ARROW1", b"FEA1"),
}


def profile_file(name: str, content: bytes) -> DataFile:
    """Describe a data file's columns.

    CSV, TSV, JSON (records or columns) and JSON Lines are profiled from their first 8 MiB and 2,000
    rows; of a wider table the first 2,000 columns. Excel, Parquet, Feather and files that are not
    tables come back without columns: only the program in the sandbox reads them.

    Raises:
        DataFileError: the file is empty, is binary under a text ending, is broken, or has more than
            16,384 columns.
    """
    table = sample_table(name, content)
    if table is None:
        return DataFile(name, content)
    columns = (
        _column(column_name, table.values(index))
        for index, column_name in enumerate(table.names[:COLUMNS_PROFILED_MAX])
    )
    return DataFile(name, content, tuple(columns))


def sample_table(name: str, content: bytes) -> Table | None:
    """Read the beginning of a table; None when the file is of a kind that is not read here.

    Raises:
        DataFileError: as `profile_file`.
    """
    suffix = PurePosixPath(name.lower()).suffix
    if not content:
        raise DataFileError(name, "it is empty", "Give a file with a header and rows")
    if suffix in _BINARY_TABLES:
        _check_signature(name, suffix, content)
        return None
    if suffix not in _DELIMITED + _JSON:
        return None
    (text, encoding), complete = decode(name, content), len(content) <= BYTES_READ_MAX
    read = read_records if suffix in _JSON else read_delimited
    return read(name, text, encoding, complete)


def file_layout(name: str, content: bytes) -> Layout | None:
    """Say how a table is written; None when the file is not a table that recipes can read.

    Raises:
        DataFileError: as `profile_file`.
    """
    suffix = PurePosixPath(name.lower()).suffix
    if suffix in _BINARY_TABLES:
        _check_signature(name, suffix, content)
        return Layout(_FORMATS.get(suffix, suffix[1:]))
    table = sample_table(name, content)
    return table.layout if table else None


def _check_signature(name: str, suffix: str, content: bytes) -> None:
    if not content.startswith(_BINARY_TABLES[suffix]):
        raise DataFileError(
            name,
            f"its content is not that of a {suffix} file",
            "Save it again from the program that made it, or rename it if it is CSV",
        )


def _column(name: str, values: list[str]) -> Column:
    distinct = dict.fromkeys(v.strip() for v in values if not is_missing(v))
    examples = [value[:_EXAMPLE_CHARACTERS_MAX] for value in list(distinct)[:_EXAMPLES]]
    return Column(name, kind_of(values), len(distinct), tuple(examples))
