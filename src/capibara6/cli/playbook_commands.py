"""`capibara6 playbook …`: what was learnt from runs. Thin, like `commands`."""

from pathlib import Path
from typing import Annotated

import typer

playbook_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
File = Annotated[Path, typer.Argument(metavar="FILE.jsonl")]
Bullet = Annotated[str, typer.Argument(metavar="ID", help="Of a bullet; its beginning will do.")]


@playbook_app.command("list")
def list_(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is disabled, harmful or removed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List lessons and recipes, most valuable first."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.list_all(everything=everything, as_json=as_json), as_json)


@playbook_app.command("show")
def show(bullet: Bullet, as_json: AsJson = False) -> None:
    """Show all that is known of a bullet."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.show(bullet, as_json=as_json), as_json)


@playbook_app.command("export")
def export(file: File, as_json: AsJson = False) -> None:
    """Write the changes that the playbook is made of."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.export(file, as_json=as_json), as_json)


@playbook_app.command("import")
def import_(file: File, as_json: AsJson = False) -> None:
    """Add the changes of such a file; known ones are passed over."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.import_(file, as_json=as_json), as_json)


@playbook_app.command("merge")
def merge(
    bullet: Bullet,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="A bullet that means the same.")],
    as_json: AsJson = False,
) -> None:
    """Let two bullets that mean the same count as one."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.merge_two(bullet, other, as_json=as_json), as_json)


@playbook_app.command("prune")
def prune(
    keep: Annotated[int, typer.Option(min=0, help="How many bullets to keep at most.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Take out what is harmful, and the least valuable beyond a number; their records stay."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.prune(keep, as_json=as_json), as_json)


@playbook_app.command("disable")
def disable(
    bullet: Bullet,
    undo: Annotated[bool, typer.Option("--undo", help="Use it again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a bullet out of prompts."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    run(lambda: lessons.disable(bullet, undo=undo, as_json=as_json), as_json)


@playbook_app.command("reset")
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget the whole playbook."""
    from capibara6.cli import lessons
    from capibara6.cli.running import run

    if not yes:
        typer.confirm("Forget all that the playbook holds?", abort=True)
    run(lambda: lessons.reset(as_json=as_json), as_json)
