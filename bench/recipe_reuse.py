"""Whether recipes of the playbook answer questions that they should not.

    python bench/recipe_reuse.py [--shown]

Takes the labelled questions of tests/data/recipe_choice. To each belongs a program that holds the
answer's parameters as constants, which becomes a recipe. All recipes are asked all other questions
of all tables; then each its own question with a word more that changes the meaning, with a word
less, with another number, and with an opening or an end that asks for nothing. Nothing is run.
Prints, and asserts nothing.
"""

import argparse
import functools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capibara6.ace.proven import recipe_of
from capibara6.ace.reuse.cookbook import Read, read_request
from capibara6.ace.reuse.filling import Filling, filling
from capibara6.ace.reuse.proofs import proof_in
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Bullet
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.evaluation.recipe_questions import RecipeQuestion, read_recipe_questions
from capibara6.learners import written

DATA = Path(__file__).parents[1] / "tests" / "data" / "recipe_choice"
MORE = {
    "en": (
        "not", "without", "maximum", "minimum", "median", "average", "total", "percentage",
        "per month", "only", "in 2020", "by year", "distinct", "highest", "lowest", "last",
        "more than 5",
    ),
    "es": (
        "no", "sin", "máximo", "mínimo", "mediana", "media", "total", "porcentaje", "por mes",
        "solo", "en 2020", "por año", "distintos", "mayor", "menor", "últimos", "más de 5",
    ),
}  # fmt: skip
OPENINGS = {"en": ("Please ", "Can you show me the "), "es": ("Por favor, ", "Quiero ver ")}
read_table = functools.cache(written)


@dataclass(frozen=True)
class Recipe:
    """A question with the recipe that its answer became."""

    asked: RecipeQuestion
    bullet: Bullet
    read: Read

    def fills(self, read: Read, request: Request, language: str) -> Filling | None:
        """What it would answer another question with."""
        proof = proof_in(self.bullet)
        assert proof is not None
        return filling(self.bullet, proof, request, read.form, language, read.facts)

    def own(self, question: str) -> Filling | None:
        """What it would answer about its own table."""
        request = Request("1" * 32, question, (self.asked.data,))
        read = read_request(request, self.asked.language, read_table)
        return self.fills(read, request, self.asked.language)


def recipes() -> Iterator[Recipe]:
    """Of all labelled questions."""
    for name in ("seen", "unseen"):
        for number, asked in enumerate(read_recipe_questions(DATA / f"{name}.jsonl")):
            program = Program(_code(asked, f"{name} {number}"), origin="model:m")
            done = ExecutionResult(success=True, stdout="x")
            given = (asked.request(number), program, done, "describe", datetime.now(UTC))
            bullet = recipe_of(*given, asked.language, read_table)
            read = read_request(asked.request(number), asked.language, read_table)
            if bullet:
                yield Recipe(asked, bullet, read)


def _code(asked: RecipeQuestion, name: str) -> str:
    """The accepted answer as a program's constants; of "none", one of its own."""
    answer = asked.accepted[0]
    lines = [f"{key} = {_plain(value)!r}" for key, value in answer.items() if key != "recipe"]
    recipe = answer["recipe"] if answer["recipe"] != "none" else name
    return "\n".join([f"frame = open({asked.data.path!r})", *lines, f"print({recipe!r})"])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return value["any"][0]
    return [_plain(one) for one in value] if isinstance(value, list) else value


def variants(asked: RecipeQuestion) -> Iterator[tuple[str, str]]:
    """The question in other words, by what was done to it."""
    words = asked.question.split()
    for more in MORE[asked.language]:
        for place in sorted({0, len(words) // 2, len(words)}):
            yield "a word more", " ".join([*words[:place], more, *words[place:]])
    for place in range(len(words)):
        if len(words) > 1:
            yield "a word less", " ".join([*words[:place], *words[place + 1 :]])
    for number in re.findall(r"\d+", asked.question):
        yield "another number", asked.question.replace(number, str(int(number) + 7), 1)
    for opening in OPENINGS[asked.language]:
        yield "an opening", opening + asked.question[:1].lower() + asked.question[1:]
    yield "the same", asked.question


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shown", action="store_true", help="print what is answered")
    shown = parser.parse_args().shown
    counts: Counter[tuple[str, bool]] = Counter()
    found = list(recipes())
    for number, one in enumerate(found):
        for other in found:
            if other is not one:
                request = other.asked.request(number)
                filled = one.fills(other.read, request, other.asked.language)
                _note(counts, "another question", one, other.asked.question, filled, shown)
        for kind, question in variants(one.asked):
            _note(counts, kind, one, question, one.own(question), shown and kind != "the same")
    for kind in sorted({kind for kind, _ in counts}):
        answered, all_of = counts[kind, True], counts[kind, True] + counts[kind, False]
        sys.stdout.write(f"{kind:18} {answered:6} of {all_of:6} answered\n")


def _note(
    counts: Counter[tuple[str, bool]],
    kind: str,
    one: Recipe,
    question: str,
    filled: Filling | None,
    shown: bool,
) -> None:
    counts[kind, filled is not None] += 1
    if filled and shown:
        changed = {n: v for n, v in filled.values.items() if v != one.bullet.parameters[n]}
        sys.stdout.write(f"{kind}: {one.asked.question!r} -> {question!r} {changed}\n")


if __name__ == "__main__":
    main()
