"""`capibara6 models …`: GGUF files as models, served without another program. Thin."""

from pathlib import Path
from typing import Annotated

import typer

models_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Name = Annotated[str, typer.Argument(help="The model's name.")]


@models_app.command("install")
def install(as_json: AsJson = False) -> None:
    """Install llama.cpp, which serves the models; compiles for some minutes."""
    from capibara6.cli import model_keeping
    from capibara6.cli.running import run

    run(lambda: model_keeping.install(as_json=as_json), as_json)


@models_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Its name; `smollm2` comes as a package.")],
    gguf: Annotated[Path | None, typer.Option(help="The model's file; it stays there.")] = None,
    tier: Annotated[str, typer.Option(help="The tier whose place it takes.")] = "fast_response",
    context: Annotated[int | None, typer.Option(min=256, help="Tokens of context.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a model out of a GGUF file."""
    from capibara6.cli import model_keeping
    from capibara6.cli.running import run

    run(lambda: model_keeping.add(name, gguf, tier, context, as_json=as_json), as_json)


@models_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the local models."""
    from capibara6.cli import model_keeping
    from capibara6.cli.running import run

    run(lambda: model_keeping.show(None, as_json=as_json), as_json)


@models_app.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Tell all about one model."""
    from capibara6.cli import model_keeping
    from capibara6.cli.running import run

    run(lambda: model_keeping.show(name, as_json=as_json), as_json)


@models_app.command("test")
def try_(name: Name, as_json: AsJson = False) -> None:
    """Load a model, ask it something, and say how fast it is."""
    from capibara6.cli import model_keeping
    from capibara6.cli.running import run

    run(lambda: model_keeping.tried(name, as_json=as_json), as_json)


@models_app.command("remove")
def remove(name: Name, as_json: AsJson = False) -> None:
    """Forget a model; a file of yours stays."""
    from capibara6.cli import model_keeping
    from capibara6.cli.running import run

    run(lambda: model_keeping.remove(name, as_json=as_json), as_json)
