"""Files of models: what is read of them, what is refused and how, and the registry."""

import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from capibara6.answers import answer_of
from capibara6.config import load_settings
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Program
from capibara6.errors import EngineError, LocalModelError, ModelFileError, UnknownTierError
from capibara6.local_models import engine
from capibara6.local_models.completions import Refused, llama_request
from capibara6.local_models.gguf import read_model_file
from capibara6.local_models.opening import LocalTier
from capibara6.local_models.registry import Registry
from capibara6.local_models.room import check_fits
from capibara6.main import Platform, model_tier
from support.gguf_files import tiny_gguf


def test_a_whole_file_says_what_it_is(tmp_path: Path) -> None:
    about = read_model_file(tiny_gguf(tmp_path / "m.gguf"))
    assert (about.architecture, about.parameters, about.context_tokens) == ("llama", 64, 2048)
    assert about.cache_bytes(1024) == 2 * 2 * (2 * 16 * 2) * 1024


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model_file(file)
    for content in (b"", b"GG", b"PK\x03\x04" * 100):
        file.write_bytes(content)
        with pytest.raises(ModelFileError, match="no GGUF file"):
            read_model_file(file)
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 9, 1, 1))
    with pytest.raises(ModelFileError, match="version 9"):
        read_model_file(file)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tiny_gguf(tmp_path / "m.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in range(4, len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="cut short"):
            read_model_file(cut)


def test_counts_that_lie_are_refused_without_reading_on(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    for tensors, pairs in ((2**40, 1), (1, 2**40)):
        file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + bytes(64))
        with pytest.raises(ModelFileError, match="says to hold"):
            read_model_file(file)


def test_a_model_larger_than_memory_is_refused(tmp_path: Path) -> None:
    model = Registry(tmp_path).add("m", tiny_gguf(tmp_path / "m.gguf"), "fast_response")
    facts = tmp_path / "meminfo"
    facts.write_text("MemTotal: 1000000 kB\nMemAvailable: 1000 kB\n")
    check_fits(model, now=False, facts=facts)
    with pytest.raises(ModelFileError, match="GiB is free now"):
        check_fits(model, now=True, facts=facts)


def test_the_registry_adds_finds_and_removes(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home")
    file = tiny_gguf(tmp_path / "m.gguf")
    model = registry.add("m", file, "fast_response", 512)
    assert registry.get("m") == model
    assert model.is_very_small
    with pytest.raises(LocalModelError, match="has the local model 'm'"):
        registry.add("n", file, "fast_response")
    with pytest.raises(LocalModelError, match="more than it was trained for"):
        registry.add("n", file, "balanced", 4096)
    registry.remove("m")
    assert registry.all() == ()
    assert file.exists()
    with pytest.raises(LocalModelError, match="none of this name"):
        registry.get("m")


@pytest.mark.parametrize("name", ["", "../up", "engine", "A", "a" * 41])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalModelError, match="no name for a model"):
        Registry(tmp_path).folder(name)


def test_a_broken_record_is_told(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.add("m", tiny_gguf(tmp_path / "m.gguf"), "fast_response")
    record = tmp_path / "models" / "m" / "model.json"
    values = json.loads(record.read_text())
    del values["tier"]
    record.write_text(json.dumps(values))
    with pytest.raises(LocalModelError, match=r"record .* cannot be read"):
        registry.all()


def test_a_missing_engine_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EngineError, match="capibara6 models install"):
        engine.required_python(tmp_path / "engine")


@pytest.mark.parametrize(("language", "words"), [("en", "very small"), ("es", "muy pequeño")])
def test_answers_of_a_very_small_model_say_so(language: str, words: str) -> None:
    program = Program("print(1)", origin="model:smollm2")
    result = ExecutionResult(success=True, stdout="1")
    assert words in answer_of(program, result, language, frozenset({"smollm2"}))
    assert words not in answer_of(program, result, language, frozenset({"other"}))


def test_a_request_for_a_schema_without_one_is_refused() -> None:
    with pytest.raises(Refused, match=r"json_schema\.schema"):
        llama_request({"messages": [], "response_format": {"type": "json_schema"}})


def test_what_llama_cpp_is_asked_streams_and_keeps_other_forms() -> None:
    form = {"type": "json_object"}
    asked = llama_request({"model": "m", "n": 1, "stream": False, "response_format": form})
    assert asked == {"stream": True, "response_format": form}


def test_a_local_model_is_also_known_by_its_own_name(tmp_path: Path) -> None:
    model = Registry(tmp_path).add("m", tiny_gguf(tmp_path / "m.gguf"), "fast_response")
    local = (LocalTier(model, "http://127.0.0.1:1/v1", "key", ""),)
    settings = load_settings(dotenv=tmp_path / "none")
    platform = cast("Platform", SimpleNamespace(settings=settings, tiers=(), local=local))
    for name in ("m", "fast_response"):
        assert model_tier(platform, name).model == "m"
    with pytest.raises(UnknownTierError, match="'n'"):
        model_tier(platform, "n")
