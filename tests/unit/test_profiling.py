import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.codegen.profiling import file_layout, profile_file, sample_table
from capibara6.domain.requests import DataFile
from capibara6.errors import DataFileError
from messy_tables import EXAMPLES, sensors, strikes, ventas

NAMES = st.sampled_from(
    ["a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl", "a.xlsx", "a.parquet", "a", "a.png"]
)
CSVISH = st.lists(st.sampled_from([*'ab1,;\t|"\n\r .-é€\0', "1,5", "\ufeff", "[", "{", "}", "]"]))


KINDS = ("number", "text", "date", "boolean", "empty")


def profiled(name: str, content: bytes) -> DataFile | None:
    """Profile a file; None when it is refused with an error that names it."""
    try:
        return profile_file(name, content)
    except DataFileError as error:
        if name not in str(error):
            raise
        return None


@given(NAMES, st.binary(max_size=400))
def test_random_bytes_give_columns_or_a_clear_error(name: str, content: bytes) -> None:
    file = profiled(name, content)
    assert file is None or file.content == content


@given(NAMES, CSVISH.map("".join), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
def test_text_like_files_give_columns_or_a_clear_error(name: str, text: str, encoding: str) -> None:
    file = profiled(name, text.encode(encoding, "replace"))
    columns = file.columns if file else ()
    assert len({column.name for column in columns}) == len(columns)
    assert all(len(example) <= 40 for column in columns for example in column.examples)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_json_gives_columns_or_a_clear_error(value: object) -> None:
    file = profiled("a.json", json.dumps(value).encode())
    columns = file.columns if file else ()
    assert all(column.kind in KINDS for column in columns)


def kinds(name: str, content: bytes) -> dict[str, str]:
    return {column.name: column.kind for column in profile_file(name, content).columns}


def test_examples_are_profiled() -> None:
    found = {c.name: c for c in profile_file("b.csv", strikes().content).columns}
    assert found["Flight Date"].kind == "date"
    assert found["Speed IAS in knots"].kind == "number"
    assert found["Effect Amount of damage"].kind == "text"
    assert found["Effect Amount of damage"].examples[0] == "None"
    paises = (EXAMPLES / "paises" / "paises.csv").read_bytes()
    assert kinds("paises.csv", paises) == {
        "País": "text", "Región": "text", "Año": "number", "Población": "number",
        "Esperanza de vida": "number", "Hijos por mujer": "number",
    }  # fmt: skip


def test_distinct_counts_and_examples_are_those_of_the_rows() -> None:
    column = profile_file("x.csv", b"a\nx\ny\nx\n\n z \nn/a\n").columns[0]
    assert (column.distinct, column.examples) == (3, ("x", "y", "z"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_delimiters_and_encodings(delimiter: str, encoding: str) -> None:
    text = "\r\n".join(f"{a}{delimiter}{b}" for a, b in [("año", "país"), ("1999", "España")])
    assert kinds("x.csv", text.encode(encoding)) == {"año": "number", "país": "text"}


def test_layout_of_a_spanish_file() -> None:
    layout = file_layout("ventas.csv", ventas().content)
    assert layout is not None
    assert (layout.delimiter, layout.encoding) == (";", "cp1252")
    assert (layout.decimal_comma, layout.day_first) == (True, True)


def test_layout_of_an_english_file() -> None:
    layout = file_layout("x.csv", b'day,price\n12/31/2020,"1,234.50"\n01/02/2021,3.25\n')
    assert layout is not None
    assert (layout.decimal_comma, layout.day_first) == (False, False)


def test_ambiguous_dates_are_left_open() -> None:
    layout = file_layout("x.csv", b"day\n01/02/2020\n03/04/2020\n")
    assert layout is not None
    assert layout.day_first is None


def test_json_lines_with_mixed_types() -> None:
    table = sensors()
    assert kinds(table.name, table.content)["Temperature"] == "number"
    assert kinds(table.name, table.content)["Measured At"] == "date"


@pytest.mark.parametrize(
    "text",
    ['[{"a": 1, "b": "x"}]', '{"data": [{"a": 1, "b": "x"}]}', '{"a": [1], "b": ["x"]}',
     '{"a": 1, "b": "x"}\n{"a": 2, "b": null}\n'],
)  # fmt: skip
def test_json_forms(text: str) -> None:
    assert kinds("x.json", text.encode()) == {"a": "number", "b": "text"}


def test_codes_with_leading_zeros_stay_text() -> None:
    assert kinds("x.csv", b"zip,n\n01234,1\n28001,2\n") == {"zip": "text", "n": "number"}


def test_empty_and_repeated_names() -> None:
    assert list(kinds("x.csv", b"a,,a\n1,2,3\n")) == ["a", "Unnamed: 1", "a.1"]


def test_a_file_without_header_gets_names() -> None:
    table = sample_table("x.csv", b"1,2\n3,4\n")
    assert table is not None
    assert table.names == ("column_1", "column_2")
    assert len(table.rows) == 2


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b" \n\n", "empty"),
        ("a.csv", bytes(range(256)) * 50, "not text"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(1000), "not text"),
        ("a.json", b'{"a": ', "not valid JSON"),
        ("a.json", b"[" * 100_000, "not valid JSON"),
        ("a.xlsx", b"a,b\n1,2\n", "not that of a .xlsx"),
        ("a.csv", b'a,b\n1,"' + b"x" * 200_000, "cannot be read"),
        ("a.csv", ",".join(f"c{i}" for i in range(1_000_000)).encode(), "1,000,000 columns"),
    ],
)
def test_bad_files_are_refused_with_the_reason(name: str, content: bytes, problem: str) -> None:
    with pytest.raises(DataFileError, match=problem):
        profile_file(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.xlsx", b"PK\3\4..."), ("a.parquet", b"PAR1..."), ("a.png", b"\x89PNG")],
)
def test_files_that_only_the_sandbox_reads_have_no_columns(name: str, content: bytes) -> None:
    assert profile_file(name, content).columns == ()


def test_work_on_wide_and_long_files_is_bounded() -> None:
    wide = ",".join(f"c{i}" for i in range(9_000)) + "\n" + (",".join("1" * 9_000) + "\n") * 400
    assert len(profile_file("w.csv", wide.encode()).columns) == 2_000
    table = sample_table("l.csv", b"a,b\n" + b"1,2\n" * 3_000_000)
    assert table is not None
    assert len(table.rows) == 2_000
