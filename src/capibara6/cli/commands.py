"""The commands and their options. Thin: each hands over to a module it imports when called."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from capibara6 import __version__
from capibara6.cli.eval_commands import eval_app
from capibara6.cli.limit_commands import limits_app
from capibara6.cli.models import models_app
from capibara6.cli.playbook_commands import playbook_app
from capibara6.cli.router_commands import router_app
from capibara6.domain.requests import CANDIDATES_MAX

app = typer.Typer(
    name="capibara6",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Exit status: 0 answered; 1 the program or a check failed; 2 bad input or setting; "
        "3 sandbox provider or model not available; 4 a fault of the platform; 130 interrupted."
    ),
)
sandbox_app = typer.Typer(no_args_is_help=True)
app.add_typer(sandbox_app, name="sandbox", help="The embedded E2B server alone.")
app.add_typer(router_app, name="router", help="What the router has learnt.")
app.add_typer(limits_app, name="limits", help="Limits of memory and time that follow usage.")
app.add_typer(playbook_app, name="playbook", help="Lessons and recipes learnt from runs.")
app.add_typer(models_app, name="models", help="GGUF files as models, without another program.")
app.add_typer(eval_app, name="eval", help="Measure the learners on recorded facts.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Template = Annotated[str | None, typer.Option(help="Preset of limits; otherwise chosen.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds; otherwise the template's.")]
Data = Annotated[
    list[Path] | None, typer.Option("--data", help="Data file; may be given several times.")
]

Examples = Annotated[
    list[str] | None,
    typer.Option("--example", help="CALL => EXPECTED; may be given several times."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"capibara6 {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """AI models that act: questions answered by running code in isolated sandboxes."""


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="In plain language, Spanish or English.")],
    data: Data = None,
    template: Template = None,
    tier: Annotated[str | None, typer.Option(help='"recipe" or a model tier.')] = None,
    timeout: Timeout = None,
    candidates: Annotated[
        int | None,
        typer.Option(min=1, max=CANDIDATES_MAX, help="Programs to choose among; else the tier's."),
    ] = None,
    example: Examples = None,
    tests: Annotated[
        Path | None, typer.Option(help="Python that raises where the program is wrong.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question by writing and running a program, or the best of several."""
    from capibara6.cli import asking
    from capibara6.cli.running import run

    search = asking.Search(candidates, example or [], tests)
    run(
        lambda: asking.ask(
            question, data or [], template, tier, timeout, search=search, as_json=as_json
        ),
        as_json,
    )


@app.command()
def execute(
    file: Annotated[str, typer.Argument(help="Program file, or - for standard input.")],
    language: Annotated[
        str | None, typer.Option(help="Otherwise by the file's ending; python.")
    ] = None,
    data: Data = None,
    template: Annotated[str, typer.Option(help="Preset of limits.")] = "default",
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Run a program in a sandbox, as it is."""
    from capibara6.cli import executing
    from capibara6.cli.running import run

    run(
        lambda: executing.execute(file, language, data or [], template, timeout, as_json=as_json),
        as_json,
    )


@app.command()
def validate(
    file: Annotated[str, typer.Argument(help="Program file, or - for standard input.")],
    language: Annotated[
        str | None, typer.Option(help="Otherwise by the file's ending; python.")
    ] = None,
    data: Data = None,
    example: Examples = None,
    tests: Annotated[Path | None, typer.Option(help="Python: asserts, test_*, TestCase.")] = None,
    try_it: Annotated[bool, typer.Option("--run", help="Also without examples and tests.")] = False,
    template: Annotated[str, typer.Option(help="Preset of limits.")] = "default",
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Say what is certainly wrong with a program, and what examples and tests prove of it."""
    from capibara6.cli import proving
    from capibara6.cli.running import run

    claim = (file, language, data or [], example or [], tests, template, timeout)
    run(lambda: proving.validate(*claim, run=try_it, as_json=as_json), as_json)


class Verdict(StrEnum):
    """What a user says of an answer."""

    GOOD = "good"
    BAD = "bad"


@app.command()
def verdict(
    run_id: Annotated[str, typer.Argument(help="Of the run, as `ask` and `executions` tell it.")],
    verdict: Annotated[Verdict, typer.Argument(help="Whether its answer was right.")],
    as_json: AsJson = False,
) -> None:
    """Say whether an answer was right, for the router and the playbook to learn from."""
    from capibara6.cli import judging
    from capibara6.cli.running import run

    run(lambda: judging.judge(run_id, good=verdict is Verdict.GOOD, as_json=as_json), as_json)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address; otherwise the setting's.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; otherwise the setting's; 0: any.")
    ] = None,
) -> None:
    """Serve the HTTP API and the sandbox server."""
    from capibara6.cli import serving
    from capibara6.cli.running import run

    run(lambda: serving.serve(host, port), as_json=False)


@sandbox_app.command("serve")
def sandbox_serve(
    host: Annotated[str | None, typer.Option(help="Address; otherwise loopback.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0: any.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(help="Its key, e2b_ and 40 hex digits; otherwise made.", envvar="E2B_API_KEY"),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="Name below which sandboxes have theirs.")
    ] = None,
    tls_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve HTTPS too; 0: any port.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate of *.DOMAIN; otherwise one is made.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another name that clients use for the server.")
    ] = None,
    isolation: Annotated[
        list[str] | None,
        typer.Option(help="[TEMPLATE=]RUNTIME: gvisor, crun, runc; otherwise namespaces."),
    ] = None,
) -> None:
    """Serve E2B's API alone; prints the exports that the E2B SDKs need."""
    from capibara6.cli import serving
    from capibara6.cli.running import run

    options = {
        "--host": host,
        "--port": port,
        "--domain": domain,
        "--tls-port": tls_port,
        "--tls-cert": tls_cert,
        "--tls-key": tls_key,
        "--allow-host": allow_host,
        "--isolation": isolation,
    }
    run(lambda: serving.serve_sandboxes(options, api_key), as_json=False)


@sandbox_app.command("self-check")
def sandbox_self_check(
    provider: Annotated[
        str | None, typer.Option(help="embedded or e2b; otherwise the setting's.")
    ] = None,
    template: Annotated[str, typer.Option(help="What sandboxes are made of.")] = (
        "code-interpreter-v1"
    ),
    as_json: AsJson = False,
) -> None:
    """Try what every provider of sandboxes shall do, and say what differs."""
    from capibara6.cli import self_checking
    from capibara6.cli.running import run

    run(lambda: self_checking.self_check(provider, template, as_json=as_json), as_json)


@app.command()
def doctor(
    attack: Annotated[
        bool, typer.Option("--attack", help="Run hostile programs, and say which break out.")
    ] = False,
    template: Annotated[
        str, typer.Option(help="With --attack: whose sandboxes are attacked.")
    ] = "base",
    program: Annotated[
        list[str] | None, typer.Option(help="With --attack: only this one; several times.")
    ] = None,
    elsewhere: Annotated[
        bool, typer.Option(help="With --attack: what E2B_API_KEY and E2B_API_URL point at.")
    ] = False,
    isolation: Annotated[
        str | None, typer.Option(help="With --attack: under this runtime: gvisor, crun, runc.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what works here, and how to mend what does not."""
    from capibara6.cli import checking
    from capibara6.cli.running import run

    if attack:
        options = ["--template", template, *(["--elsewhere"] if elsewhere else [])]
        options += [word for one in program or [] for word in ("--program", one)]
        options += ["--isolation", isolation] if isolation else []
        run(lambda: checking.attack(options, as_json=as_json), as_json)
    else:
        run(lambda: checking.doctor(as_json=as_json), as_json)


@app.command("test-connection")
def connection(as_json: AsJson = False) -> None:
    """Prove that the sandbox provider works."""
    from capibara6.cli import checking
    from capibara6.cli.running import run

    run(lambda: checking.test_connection(as_json=as_json), as_json)


@app.command()
def executions(
    execution_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One execution, or one run, in full.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest executions, or show one."""
    from capibara6.cli import history
    from capibara6.cli.running import run

    run(lambda: history.executions(execution_id, limit, as_json=as_json), as_json)
