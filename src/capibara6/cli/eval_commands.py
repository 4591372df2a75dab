"""`capibara6 eval …`: the learners measured on recorded facts. Thin, like `commands`."""

from pathlib import Path
from typing import Annotated

import typer

eval_app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Lines = Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="One JSON object a line.")]


@eval_app.command("router")
def router(
    file: Lines,
    folds: Annotated[int, typer.Option(min=2, max=50, help="Parts of the cross-validation.")] = 5,
    online: Annotated[
        bool, typer.Option("--online", help="Once through, seeing the chosen tier's outcome only.")
    ] = False,
    quality: Annotated[
        float, typer.Option(min=0, max=1, help="1 counts success alone, 0 cost alone.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and exploration.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure the router on what tiers achieved on prompts."""
    from capibara6.cli import evaluating
    from capibara6.cli.running import run

    if online:
        run(lambda: evaluating.online(file, quality, seed, as_json=as_json), as_json)
    run(lambda: evaluating.router(file, folds, quality, seed, as_json=as_json), as_json)


@eval_app.command("tasks")
def tasks(file: Lines, as_json: AsJson = False) -> None:
    """Measure whether kinds of task are recognised, by language."""
    from capibara6.cli import evaluating
    from capibara6.cli.running import run

    run(lambda: evaluating.tasks(file, as_json=as_json), as_json)


@eval_app.command("limits")
def limits(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One run a line, in order.")],
    as_json: AsJson = False,
) -> None:
    """Measure memory limits that follow usage, on a trace of runs."""
    from capibara6.cli import evaluating
    from capibara6.cli.running import run

    run(lambda: evaluating.limits(file, as_json=as_json), as_json)


@eval_app.command("playbook")
def playbook(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="Memory and queries.")],
    as_json: AsJson = False,
) -> None:
    """Measure whether a playbook finds the cases that queries are about."""
    from capibara6.cli import evaluating_lessons
    from capibara6.cli.running import run

    run(lambda: evaluating_lessons.playbook(file, as_json=as_json), as_json)


@eval_app.command("errors")
def errors(file: Lines, as_json: AsJson = False) -> None:
    """Measure whether failures are named right."""
    from capibara6.cli import evaluating_lessons
    from capibara6.cli.running import run

    run(lambda: evaluating_lessons.errors(file, as_json=as_json), as_json)


@eval_app.command("recipes")
def recipes(
    file: Lines,
    tier: Annotated[str | None, typer.Option(help="Also let the model of a tier choose.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="The tier's model chooses from now on if it is better.")
    ] = False,
    wrong: Annotated[bool, typer.Option("--wrong", help="Also the questions got wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure whether recipes, their columns and parameters are chosen right."""
    from capibara6.cli import evaluating_recipes
    from capibara6.cli.running import run

    run(
        lambda: evaluating_recipes.recipes(file, tier, keep=keep, wrong=wrong, as_json=as_json),
        as_json,
    )


@eval_app.command("model")
def model(
    suite: Annotated[
        Path, typer.Option("--suite", metavar="FILE", help="Tasks with tests, .jsonl or .jsonl.gz.")
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Model tiers, or local models.")
    ] = None,
    candidates: Annotated[
        int, typer.Option(min=1, max=100, help="Programs for each task; the first is greedy.")
    ] = 1,
    repair: Annotated[
        int, typer.Option(min=0, max=10, help="Repairs of a program whose failure shows.")
    ] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="First tasks only.")] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="The suite's own solutions too.")
    ] = False,
    playbook: Annotated[
        bool, typer.Option("--playbook", help="Once more with the playbook's advice.")
    ] = False,
    tokens: Annotated[
        int | None, typer.Option(min=16, help="Of one answer, at most; otherwise the tier's.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Forget what was measured with the same settings.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds of a program with its tests.")
    ] = 60.0,
    template: Annotated[
        str | None, typer.Option(help="Preset of limits; otherwise the roomiest.")
    ] = None,
    sandboxes: Annotated[
        int | None, typer.Option(min=1, max=64, help="At once; otherwise one a processor.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also draw the models side by side.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure models by running the programs they write; goes on where it was interrupted."""
    from capibara6.cli import measuring
    from capibara6.cli.running import run

    order = measuring.Order(
        names=tuple(names or ()),
        suite=suite,
        candidates=candidates,
        repairs=repair,
        limit=limit,
        tokens_max=tokens,
        playbook=playbook,
        reference=reference,
        again=again,
        timeout_s=timeout,
        template=template,
        sandboxes=sandboxes,
        plot=plot,
    )
    run(lambda: measuring.model(order, as_json=as_json), as_json)
