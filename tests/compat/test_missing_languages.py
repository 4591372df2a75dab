"""Languages whose programs are not there, on a real server: what is missing is said."""

import os
import uuid
from collections.abc import Iterator

import pytest
from e2b import Template
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="builds change /usr where root serves"),
]
# R and Java come from the server's machine; a template can be without them wherever they are.
REMOVE = "rm -rf /usr/bin/R /usr/lib/R /usr/bin/java /usr/bin/javac /usr/lib/jvm"


@pytest.fixture(scope="module")
def bare(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    """A sandbox without the programs of R and Java."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    recipe = Template().from_template("code-interpreter-v1").run_cmd(REMOVE, user="root")
    Template.build(recipe, name, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.mark.parametrize(
    ("language", "missing"), [("r", "R is not installed here"), ("java", "not installed here")]
)
def test_what_is_missing_is_said_and_how_to_get_it(
    bare: Sandbox, language: str, missing: str
) -> None:
    for _ in range(2):  # a kernel that did not start is no different the next time
        error = bare.run_code("1 + 1", language=language).error
        assert error is not None
        assert missing in error.value
        assert "make extras" in error.value
    assert bare.run_code("1 + 1").text == "2"  # the others are as they were


def test_a_context_of_a_missing_language_says_it_too(bare: Sandbox) -> None:
    context = bare.create_code_context(language="r")
    error = bare.run_code("1", context=context).error
    assert error is not None
    assert "make extras" in error.value
