"""Contexts in every language: apart from each other, where they were told, restarted, removed."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from e2b.exceptions import InvalidArgumentException, NotFoundException, SandboxException
from e2b_code_interpreter import Context, Sandbox

from support.languages import needs_java, needs_r
from support.sandbox_server import SandboxServer


class Language(NamedTuple):
    """How to say the same in each."""

    set_to: str  # gives a variable the value {}
    tell: str  # prints it, and fails or prints nothing where there is none
    where: str  # prints the working directory


SAYINGS = {
    "python": Language("x = {}", "print(x)", "import os; print(os.getcwd())"),
    "javascript": Language("var x = {}", "console.log(x)", "console.log(process.cwd())"),
    "typescript": Language(
        "var x: number = {}", "console.log(x as number)", "console.log(process.cwd())"
    ),
    "bash": Language("x={}", "echo $x", "pwd"),
    "r": Language("x <- {}", "cat(x)", "cat(getwd())"),
    "java": Language(
        "int x = {};", "System.out.print(x);", 'System.out.print(System.getProperty("user.dir"));'
    ),
}
MARKS: dict[str, Any] = {"r": needs_r, "java": needs_java}
LANGUAGES = [pytest.param(name, marks=MARKS.get(name, ())) for name in SAYINGS]


@pytest.fixture(scope="module")
def one(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    with Sandbox.create(timeout=300, **sandbox_server.sdk) as sandbox:
        yield sandbox


def said(sandbox: Sandbox, code: str, context: Context) -> str:
    return "".join(sandbox.run_code(code, context=context).logs.stdout).strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_contexts_of_a_language(one: Sandbox, language: str) -> None:
    saying = SAYINGS[language]
    first = one.create_code_context(language=language, cwd="/tmp")
    second = one.create_code_context(language=language)
    listed = {context.id: context for context in one.list_code_contexts()}
    assert listed[first.id].language == listed[second.id].language == language
    assert (listed[first.id].cwd, listed[second.id].cwd) == ("/tmp", "/home/user")
    assert said(one, saying.where, first) == "/tmp"
    assert said(one, saying.where, second) == "/home/user"
    one.run_code(saying.set_to.format(1), context=first)
    one.run_code(saying.set_to.format(2), context=second)
    assert (said(one, saying.tell, first), said(one, saying.tell, second)) == ("1", "2")
    one.restart_code_context(first)
    assert said(one, saying.tell, first) == ""
    assert said(one, saying.where, first) == "/tmp"
    assert said(one, saying.tell, second) == "2"
    for context in (first, second):
        one.remove_code_context(context)
        assert context.id not in [known.id for known in one.list_code_contexts()]
        with pytest.raises(NotFoundException):
            one.run_code("1", context=context)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_kernel_that_dies_is_replaced(one: Sandbox, language: str) -> None:
    ends = {
        "python": "import os; os._exit(3)",
        "javascript": "process.kill(process.pid, 'SIGKILL')",
        "typescript": "process.kill(process.pid, 'SIGKILL')",
        "bash": "kill -9 $$",
        "r": "tools::pskill(Sys.getpid(), 9)",
        "java": "Runtime.getRuntime().halt(3);",
    }
    saying = SAYINGS[language]
    context = one.create_code_context(language=language)
    one.run_code(saying.set_to.format(1), context=context)
    dead = one.run_code(ends[language], context=context)
    assert dead.error is not None
    one.run_code(saying.set_to.format(5), context=context)
    assert said(one, saying.tell, context) == "5"
    one.remove_code_context(context)


def test_languages_may_be_written_otherwise(one: Sandbox) -> None:
    for name, code in [
        ("js", "console.log(42)"),
        ("ts", "console.log(42)"),
        ("Python", "print(42)"),
    ]:
        assert "".join(one.run_code(code, language=name).logs.stdout).strip() == "42"


def test_an_unknown_language_is_refused_by_name(one: Sandbox) -> None:
    for call in (
        lambda: one.create_code_context(language="cobol"),
        lambda: one.run_code("1", language="cobol"),
    ):
        with pytest.raises((InvalidArgumentException, SandboxException), match="cobol"):
            call()
