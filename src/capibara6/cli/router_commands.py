"""`capibara6 router …`: what the router has learnt. Thin, like `commands`."""

from pathlib import Path
from typing import Annotated

import typer

router_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
File = Annotated[Path, typer.Argument(metavar="FILE.jsonl")]


@router_app.command("show")
def show(
    question: Annotated[
        str | None, typer.Argument(help="Also what is expected of the tiers on it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what the router has learnt of the tiers."""
    from capibara6.cli import learning
    from capibara6.cli.running import run

    run(lambda: learning.show(question, as_json=as_json), as_json)


@router_app.command("export")
def export(file: File, as_json: AsJson = False) -> None:
    """Write the outcomes that the router learns from."""
    from capibara6.cli import learning
    from capibara6.cli.running import run

    run(lambda: learning.export(file, as_json=as_json), as_json)


@router_app.command("import")
def import_(file: File, as_json: AsJson = False) -> None:
    """Add outcomes from such a file, or one of `eval router`; known ones are passed over."""
    from capibara6.cli import learning
    from capibara6.cli.running import run

    run(lambda: learning.import_(file, as_json=as_json), as_json)


@router_app.command("reset")
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget all outcomes; the router goes by its rules again."""
    from capibara6.cli import learning
    from capibara6.cli.running import run

    if not yes:
        typer.confirm("Forget all that the router has learnt?", abort=True)
    run(lambda: learning.reset(as_json=as_json), as_json)
