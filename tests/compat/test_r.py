"""R through the published SDK."""

from e2b_code_interpreter import Sandbox

from support.languages import needs_r
from support.sandbox_server import SandboxServer

pytestmark = needs_r


def test_values_output_and_errors_of_r(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        first = sandbox.run_code("x <- 3; print('Hé'); x + 1; getwd()", language="r")
        assert first.logs.stdout == ['[1] "Hé"\n']
        assert [result.text for result in first.results] == ["[1] 4", '[1] "/home/user"']
        failed = sandbox.run_code("f <- function(a) stop('no ', a)\nf(x)", language="R")
        assert failed.error is not None
        assert failed.error.name == "ERROR"
        assert failed.error.value == "Error in f(x): no 3\n"
        assert "Traceback:\n\n1. f(x)\n" in failed.error.traceback


def test_data_frames_are_html_and_plots_are_images(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        frame, plot = sandbox.run_code("plot(1:3); data.frame(a = 1:2)", language="r").results
        assert frame.html is not None
        assert "<td>2</td>" in frame.html
        assert plot.png is not None
        assert plot.png.startswith("iVBOR")


def test_variables_of_one_call_are_undone_in_r(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(envs={"A": "all"}, **sandbox_server.sdk) as sandbox:
        code = "Sys.getenv(c('A', 'B'), unset = 'none', names = FALSE)"
        given = sandbox.run_code(code, language="r", envs={"A": "one", "B": "two"})
        assert given.text == '[1] "one" "two"'
        assert sandbox.run_code(code, language="r").text == '[1] "all"  "none"'


def test_contexts_of_r_are_apart_and_restart_empty(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        context = sandbox.create_code_context(language="r", cwd="/tmp")
        assert sandbox.run_code("x <- 1; getwd()", context=context).text == '[1] "/tmp"'
        assert sandbox.run_code("exists('x')", language="r").text == "[1] FALSE"
        sandbox.restart_code_context(context)
        assert sandbox.run_code("exists('x')", context=context).text == "[1] FALSE"
