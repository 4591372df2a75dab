import pytest

from capibara6.config import load_settings
from capibara6.domain.requests import DataFile
from capibara6.errors import DataFileError, RequestError, TooLargeError, UnknownTemplateError
from capibara6.intake import QUESTION_CHARACTERS_MAX, new_run_id, question_request


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path))
    monkeypatch.setenv("CAPIBARA6_LIMITS__UPLOAD_BYTES_MAX", "1000")
    monkeypatch.delenv("CAPIBARA6_CONFIG", raising=False)
    return load_settings(dotenv=tmp_path / "no.env")


def ask(settings, question="how many?", files=None, **more):
    return question_request(question, files or {}, settings, DataFile, **more)


def test_a_request_gets_an_id_of_its_own_and_its_files_profiled(settings):
    request = ask(settings, "  how many? ", {"a.csv": b"x\n1\n"}, tier="recipe", timeout_s=5)

    assert len(request.id) == 32
    assert request.id != new_run_id()
    assert (request.question, request.tier, request.timeout_s) == ("how many?", "recipe", 5)
    assert request.files == (DataFile("a.csv", b"x\n1\n"),)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "a\x00b", "x" * 256])
def test_a_name_that_is_no_plain_file_name_is_refused(settings, name):
    with pytest.raises(DataFileError):
        ask(settings, files={name: b"1"})


@pytest.mark.parametrize("timeout_s", [0, -1, 604_800, float("nan"), float("inf")])
def test_an_impossible_timeout_is_refused(settings, timeout_s):
    with pytest.raises(RequestError, match="out of range"):
        ask(settings, timeout_s=timeout_s)


def test_limits_and_templates(settings):
    with pytest.raises(TooLargeError):
        ask(settings, files={"a": b"x" * 600, "b": b"x" * 600})
    with pytest.raises(TooLargeError):
        ask(settings, "x" * (QUESTION_CHARACTERS_MAX + 1))
    with pytest.raises(UnknownTemplateError, match="data_analysis"):
        ask(settings, template="nope")
    with pytest.raises(RequestError, match="empty"):
        ask(settings, " \n")
