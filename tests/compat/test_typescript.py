"""TypeScript in the JavaScript kernel, through the published SDK."""

from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer


def test_typescript_shares_the_variables_of_javascript(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        first = sandbox.run_code(
            "const message: string = 'Hello'; console.log(message)", language="ts"
        )
        assert first.logs.stdout == ["Hello\n"]
        assert sandbox.run_code("enum Colour { Red, Green }; Colour.Green", language="ts").text
        assert sandbox.run_code("message + Colour.Green", language="js").text == "Hello1"


def test_a_typescript_context_is_listed_and_its_errors_are_told(
    sandbox_server: SandboxServer,
) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        context = sandbox.create_code_context(language="typescript")
        assert context.id in {
            c.id for c in sandbox.list_code_contexts() if c.language == "typescript"
        }
        run = sandbox.run_code("const x: = 3", context=context)
        assert run.error is not None
        assert run.error.name == "SyntaxError"
        kept = sandbox.run_code("await Promise.resolve<number>(4)", context=context)
        assert kept.text == "4"
