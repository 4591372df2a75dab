"""Cells of JavaScript that are left unfinished take nothing with them in the template's Node.js."""

import pytest
from e2b.exceptions import TimeoutException
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

COLLECTOR = """
require('node:v8').setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
"""


@pytest.mark.parametrize(
    "endless",
    [
        "while (true) {}",
        "await 1; while (true) {}",
        "await new Promise(() => {})",
        "setInterval(collect, 20); await new Promise(() => {})",
        "require('node:child_process').execSync('sleep 60')",
    ],
)
def test_variables_outlive_a_cell_that_its_client_left(
    sandbox_server: SandboxServer, endless: str
) -> None:
    """Node.js 24 would end when V8 collects the promise of such a cell."""
    with Sandbox.create(timeout=120, **sandbox_server.sdk) as sandbox:
        context = sandbox.create_code_context(language="javascript")
        sandbox.run_code(f"{COLLECTOR} const kept = 'yes'", context=context)
        for _ in range(3):
            with pytest.raises(TimeoutException):
                sandbox.run_code(endless, context=context, timeout=0.3)
            after = sandbox.run_code("collect(); await 1; collect(); kept", context=context)
            assert (after.text, after.error) == ("yes", None)
