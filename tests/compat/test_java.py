"""Java through the published SDK."""

from e2b_code_interpreter import Sandbox

from support.languages import needs_java
from support.sandbox_server import SandboxServer

pytestmark = needs_java


def test_declarations_values_output_and_errors_of_java(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        first = sandbox.run_code(
            'int twice(int x) { return 2 * x; }\nSystem.out.println("Hé");\ntwice(4)',
            language="java",
        )
        assert first.logs.stdout == ["Hé", "\n"]
        assert first.text == "8"
        assert sandbox.run_code('"a \\"b\\"\\n" + twice(1)', language="java").text == 'a "b"\n2'
        thrown = sandbox.run_code('throw new IllegalStateException("no")', language="java")
        assert thrown.error is not None
        assert thrown.error.name == "java.lang.IllegalStateException"
        assert thrown.error.value == "no"
        wrong = sandbox.run_code("int y = true;", language="java")
        assert wrong.error is not None
        assert wrong.error.name == "CompilationException"
        assert "boolean cannot be converted to int" in wrong.error.value


def test_variables_of_one_call_are_undone_in_java(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(envs={"A": "all"}, **sandbox_server.sdk) as sandbox:
        code = 'System.getProperty("A") + System.getProperty("B")'
        given = sandbox.run_code(code, language="java", envs={"A": "one", "B": "two"})
        assert given.text == "onetwo"
        assert sandbox.run_code(code, language="java").text == "allnull"


def test_contexts_of_java_restart_empty_and_its_heap_is_bounded(
    sandbox_server: SandboxServer,
) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        context = sandbox.create_code_context(language="java", cwd="/tmp")
        run = sandbox.run_code('int x = 1; System.getProperty("user.dir")', context=context)
        assert run.text == "/tmp"
        heap = sandbox.run_code("Runtime.getRuntime().maxMemory() >> 20", context=context).text
        assert heap is not None
        assert int(heap) <= sandbox.get_info().memory_mb // 2
        sandbox.restart_code_context(context)
        lost = sandbox.run_code("x", context=context)
        assert lost.error is not None
