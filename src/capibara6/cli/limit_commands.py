"""`capibara6 limits …`: limits that follow usage. Thin, like `commands`."""

from typing import Annotated

import typer

limits_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Template = Annotated[str, typer.Argument(help="Preset, as in e2b_config.json.")]
Task = Annotated[str, typer.Argument(help="Task, as `ask` tells it.")]


@limits_app.command("show")
def show(as_json: AsJson = False) -> None:
    """Tell what each task has used, and what its next run would be granted."""
    from capibara6.cli import limiting
    from capibara6.cli.running import run

    run(lambda: limiting.show(as_json=as_json), as_json)


@limits_app.command("pin")
def pin(
    template: Template,
    task: Task,
    memory_mib: Annotated[
        int | None, typer.Option(min=16, help="Otherwise the template's.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds; otherwise the template's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set a task's limits, whatever it uses."""
    from capibara6.cli import limiting
    from capibara6.cli.running import run

    run(lambda: limiting.pin(template, task, memory_mib, timeout, as_json=as_json), as_json)


@limits_app.command("unpin")
def unpin(template: Template, task: Task, as_json: AsJson = False) -> None:
    """Let a task's limits follow its usage again."""
    from capibara6.cli import limiting
    from capibara6.cli.running import run

    run(lambda: limiting.unpin(template, task, as_json=as_json), as_json)


@limits_app.command("reset")
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget what all tasks have used; pins stay."""
    from capibara6.cli import limiting
    from capibara6.cli.running import run

    if not yes:
        typer.confirm("Forget what all tasks have used?", abort=True)
    run(lambda: limiting.reset(as_json=as_json), as_json)
