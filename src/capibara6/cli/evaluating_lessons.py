"""`capibara6 eval playbook` and `eval errors`: runs the evaluation and prints what came out."""

import asyncio
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from capibara6.cli import exit_codes
from capibara6.cli.terminal import output, print_json, visible
from capibara6.evaluation.errors import accuracy_by_label, name_errors, read_errors
from capibara6.evaluation.playbook import read_memory, recall


async def playbook(file: Path, *, as_json: bool) -> int:
    """Remember a file's cases and ask for them; returns the exit status."""
    cases, queries = await asyncio.to_thread(read_memory, file)
    score = await asyncio.to_thread(recall, cases, queries)
    if as_json:
        print_json(asdict(score))
        return exit_codes.OK
    lines = (
        f"{score.queries} queries over {score.memory} cases",
        f"recall at 1  {score.recall_1:.4f}  ({score.tokens_1:.0f} tokens)",
        f"recall at 5  {score.recall_5:.4f}  ({score.tokens_5:.0f} tokens)",
        f"median       {score.ms_median:.2f} ms",
    )
    for line in lines:
        output().print(line, markup=False, soft_wrap=True)
    return exit_codes.OK


async def errors(file: Path, *, as_json: bool) -> int:
    """Name a file's failures; returns the exit status."""
    results = await asyncio.to_thread(lambda: name_errors(read_errors(file)))
    rights = sum(result.right for result in results)
    shares = accuracy_by_label(results)
    wrong = Counter((result.error.label, result.kind) for result in results if not result.right)
    if as_json:
        found = [{"label": a, "found": b, "count": n} for (a, b), n in wrong.most_common()]
        accuracy = rights / len(results)
        count = len(results)
        print_json({"accuracy": accuracy, "by_label": shares, "errors": count, "wrong": found})
        return exit_codes.OK
    console = output()
    console.print(f"{rights / len(results):.1%} of {len(results)} named right", markup=False)
    for label, share in shares.items():
        console.print(f"{share:7.1%}  {visible(label)}", markup=False)
    for (label, kind), count in wrong.most_common():
        console.print(f"{count} x {visible(label)} taken for {kind}", markup=False)
    return exit_codes.OK
