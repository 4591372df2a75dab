import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.config import Settings, load_settings
from capibara6.domain.executions import ExecutionRequest
from capibara6.errors import RequestError, TooLargeError, UnknownLanguageError
from capibara6.execution.checks import HOME, check_request, sandbox_path
from capibara6.execution.output import BoundedText


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "config.json"
    path.write_text('{"limits": {"code_bytes_max": 100, "upload_bytes_max": 1000}}', "utf-8")
    return load_settings(path, dotenv=tmp_path / "no.env")


def test_the_timeout_is_the_presets_unless_asked_for(settings: Settings) -> None:
    def timeout(**options: object) -> float:
        return check_request(ExecutionRequest("1", **options), settings)  # type: ignore[arg-type]

    assert timeout(template="machine_learning") == 1800
    assert timeout(template="someones-own") == 300
    assert timeout(template="machine_learning", timeout_s=0.5) == 0.5
    assert timeout(timeout_s=86_400) == 86_400


@pytest.mark.parametrize("timeout_s", [0, -1, 86_401, 7 * 86_400, math.inf, math.nan])
def test_a_timeout_out_of_range(settings: Settings, timeout_s: float) -> None:
    with pytest.raises(RequestError, match="more than 0 and at most 86400 s"):
        check_request(ExecutionRequest("1", timeout_s=timeout_s), settings)


def test_what_has_no_kernel(settings: Settings) -> None:
    with pytest.raises(UnknownLanguageError, match="python, javascript, bash"):
        check_request(ExecutionRequest("1", language="cobol"), settings)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ExecutionRequest("é" * 51), "The code has 102 bytes; the limit is 100"),
        (ExecutionRequest("1", files={"a": b"x" * 600, "b": b"x" * 401}), "1,001 bytes"),
        (ExecutionRequest("1", env={"A": "x" * 70_000}), "The environment has"),
    ],
)
def test_what_is_too_large(settings: Settings, request_: ExecutionRequest, expected: str) -> None:
    with pytest.raises(TooLargeError, match=expected):
        check_request(request_, settings)


@pytest.mark.parametrize(
    "request_",
    [
        ExecutionRequest(""),
        ExecutionRequest(" \n"),
        ExecutionRequest("1", template=""),
        ExecutionRequest("1", template="../x"),
        ExecutionRequest("1", template="a b"),
        ExecutionRequest("1", env={"": "x"}),
        ExecutionRequest("1", env={"1A": "x"}),
        ExecutionRequest("1", env={"A=B": "x"}),
        ExecutionRequest("1", env={"A": "x\0y"}),
        ExecutionRequest("1", files={"a.csv": b"", f"{HOME}/a.csv": b""}),
        ExecutionRequest("1", files={f"f{number}": b"" for number in range(201)}),
    ],
)
def test_what_cannot_be_run(settings: Settings, request_: ExecutionRequest) -> None:
    with pytest.raises(RequestError):
        check_request(request_, settings)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "/home/user", "/home/user2/x", "a//b",
     "a/", "a\0b", "a\nb", "x" * 256, "a/./b", "/home/user/../x"],
)  # fmt: skip
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(RequestError, match="name of an input file"):
        sandbox_path(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("data.csv", f"{HOME}/data.csv"),
        ("input/año 1.csv", f"{HOME}/input/año 1.csv"),
        (f"{HOME}/x", f"{HOME}/x"),
        ("..x", f"{HOME}/..x"),
    ],
)
def test_names_of_input_files(name: str, path: str) -> None:
    assert sandbox_path(name) == path


@given(st.lists(st.text(alphabet="aé\n🎬", max_size=40)), st.integers(2, 200))
def test_bounded_text_keeps_everything_or_head_and_tail(pieces: list[str], limit: int) -> None:
    kept = BoundedText(limit)
    for piece in pieces:
        kept.add(piece)
    whole = "".join(pieces)
    size = len(whole.encode())
    assert kept.total_bytes == size
    if size <= 2 * (limit // 2):
        assert kept.text() == whole
        assert not kept.truncated
    else:
        assert kept.truncated
        head, _, rest = kept.text().partition("\n[… ")
        tail = rest.partition(" bytes of output left out …]\n")[2]
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert len((head + tail).encode()) <= limit


def test_the_dropped_bytes_are_counted() -> None:
    kept = BoundedText(10)
    for _ in range(1000):
        kept.add("0123456789")
    assert kept.text() == "01234\n[… 9,990 bytes of output left out …]\n56789"
