"""What may be ordered of a build: names, tags, limits; and what a cached step depends on."""

import pytest

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.host.build_records import StepContext
from capibara6_sandbox.host.builds.limits import check_limits
from capibara6_sandbox.host.builds.names import Name, clean_tags, parse_name
from capibara6_sandbox.host.builds.recipe import Step, base_key, step_key


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mine", Name("mine")),
        (" Mine:V1.0 ", Name("mine", "v1.0")),
        ("team/mine:default", Name("mine")),
        ("a_b-c9", Name("a_b-c9")),
    ],
)
def test_a_name_is_cleaned(text: str, name: Name) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize(
    "text", ["", ":tag", "mine:", "a b", "a:b:c", "ñ", "a" * 4000, "../x", "a/"]
)
def test_a_name_with_other_characters_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="invalid"):
        parse_name(text)


def test_tags_are_cleaned_and_each_kept_once() -> None:
    assert clean_tags(["V1", "v1", "stable"]) == ["v1", "stable"]


@pytest.mark.parametrize("tag", ["", "a b", "x:y", "2f1c0a44-0000-4000-8000-000000000000"])
def test_a_tag_of_another_form_is_refused(tag: str) -> None:
    with pytest.raises(BadRequestError, match="Invalid tag"):
        clean_tags([tag])


def test_limits_have_defaults() -> None:
    assert check_limits(None, None) == (2, 1024)
    assert check_limits(1, 512) == (1, 512)


@pytest.mark.parametrize(
    ("cpus", "memory", "why"),
    [
        (0, None, "at least 1"),
        (3, None, "1 or an even number"),
        (64, None, "at most 32"),
        (None, 64, "at least 128 MiB"),
        (None, 513, "divisible by 2"),
    ],
)
def test_limits_out_of_range_are_refused(cpus: int | None, memory: int | None, why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        check_limits(cpus, memory)


def _key(*steps: Step, env: str = "base") -> str:
    key = base_key(env, (), StepContext())
    for step in steps:
        key = step_key(key, step)
    return key


def test_a_step_depends_on_all_before_it_and_on_its_files() -> None:
    run, other = Step(type="RUN", args=["a"]), Step(type="RUN", args=["b"])
    copy = Step(type="COPY", args=["a", "b"], filesHash="1" * 64)
    again = copy.model_copy(update={"filesHash": "2" * 64})
    keys = [
        _key(run),
        _key(other),
        _key(run, other),
        _key(other, run),
        _key(run, env="other"),
        _key(copy),
        _key(again),
        _key(Step(type="RUN", args=["a", "b"])),
        _key(Step(type="RUN", args=["a b"])),
    ]
    assert len(set(keys)) == len(keys)
    assert _key(run, copy) == _key(Step(type="run", args=["a"], force=True), copy)
