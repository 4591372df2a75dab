"""Recipes of the playbook in a run: what they cost, what casts doubt on them, what they hold."""

import pytest

from capibara6.ace.learning import PlaybookListener, Story, Trial
from capibara6.ace.listener import LessonListener
from capibara6.ace.reuse.form import Slot
from capibara6.ace.reuse.parameters import parametrised
from capibara6.config import load_settings
from capibara6.domain.events import RepairStarted
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.playbook import Advice, Reused
from capibara6.domain.programs import Diagnosis, Program
from capibara6.domain.requests import Column, DataFile, Request
from capibara6.reuse import doubt
from scripted_ports import BAD, GOOD, ScriptedExecutor, ScriptedWriter, collect, names, pipeline
from scripted_ports import question as asked

BULLET = "ab" * 16
ADVICE = Advice(BULLET, "recipe", "how many?\n```python\nprint(42)\n```", 10)
PROGRAM = Program("print(42)", origin=f"playbook:{BULLET}", tier="recipe")
RECIPE = Reused(PROGRAM, ADVICE, "42", same=False)


class Shelf:
    """A cookbook that always has the same."""

    def __init__(self, found: Reused | Exception | None) -> None:
        self.recipe, self.asked = found, 0

    async def found(self, request: object, route: object) -> Reused | None:
        self.asked += 1
        if isinstance(self.recipe, Exception):
            raise self.recipe
        return self.recipe


def with_shelf(shelf: Shelf, executor: ScriptedExecutor, *script: str, refused=()):  # type: ignore[no-untyped-def]
    writer = ScriptedWriter("fast", *script)
    run = pipeline([writer], executor, refused=refused)
    run._cookbook = shelf
    return run, writer


async def test_a_recipe_answers_and_no_writer_is_asked() -> None:
    run, writer = with_shelf(Shelf(RECIPE), ScriptedExecutor(GOOD))
    events = await collect(run.run(asked()))
    assert names(events)[:5] == ["RunStarted", "Routed", "Recalled", "ProgramWritten", "Validated"]
    assert events[-1].answer.startswith("42\n\n(No model was used: recipe abababab of the playbook")
    assert "“how many?”" in events[-1].answer
    assert (writer.asked, events[-1].attempts) == ([], 1)


@pytest.mark.parametrize("failing", ["run", "check", "nothing"])
async def test_the_usual_way_follows_a_recipe_that_fails(failing: str) -> None:
    results = {"run": [BAD, GOOD], "check": [GOOD], "nothing": [ExecutionResult(True), GOOD]}
    refused = ("print(42)",) if failing == "check" else ()
    run, writer = with_shelf(
        Shelf(RECIPE), ScriptedExecutor(*results[failing]), "print(1)", refused=refused
    )
    events = await collect(run.run(asked()))
    assert events[-1].success
    assert events[-1].attempts == 2
    assert "playbook" not in events[-1].answer
    assert writer.asked == [None]  # it writes anew, and repairs nothing
    (repair,) = [event for event in events if isinstance(event, RepairStarted)]
    assert (repair.attempt, repair.next_tier) == (1, "fast")


async def test_a_recipe_takes_no_attempt_from_the_models() -> None:
    run, writer = with_shelf(Shelf(RECIPE), ScriptedExecutor(BAD, BAD, BAD, BAD), *"abc")
    events = await collect(run.run(asked()))
    assert not events[-1].success
    assert len(writer.asked) == 3


@pytest.mark.parametrize("shelf", [Shelf(None), Shelf(OSError("disk full"))])
async def test_a_cookbook_that_has_none_or_fails_costs_no_run(shelf: Shelf) -> None:
    run, writer = with_shelf(shelf, ScriptedExecutor(GOOD), "print(1)")
    assert (await collect(run.run(asked())))[-1].success
    assert (shelf.asked, len(writer.asked)) == (1, 1)


async def test_who_chooses_a_model_gets_its_program() -> None:
    shelf = Shelf(RECIPE)
    run, writer = with_shelf(shelf, ScriptedExecutor(GOOD), "print(1)")
    await collect(run.run(asked("fast")))
    assert (shelf.asked, len(writer.asked)) == (0, 1)


@pytest.mark.parametrize(
    ("printed", "same", "doubted"),
    [("42", True, False), ("42 more", True, False), ("43", True, True), ("43", False, False),
     ("nan", False, True), ("Empty DataFrame", False, True), ("banana", False, False)],
)  # fmt: skip
def test_what_casts_doubt_on_an_answer(printed: str, same: bool, doubted: bool) -> None:
    recipe = Reused(PROGRAM, ADVICE, "42", same=same)
    for language in ("es", "en"):
        found = doubt(recipe, ExecutionResult(True, stdout=f"{printed}\n"), language)
        assert bool(found) == doubted
    hollow = Reused(PROGRAM, ADVICE, "nan", same=False)
    assert doubt(hollow, ExecutionResult(True, stdout="nan"), "en") is None


def test_what_follows_a_recipe_that_failed_is_no_lesson() -> None:
    story = Story(Request("0" * 32, "how many?"), answered=True)
    error = ExecutionError("KeyError", "'x'", "line 1")
    failed = ExecutionResult(False, error=error)
    story.trials = {
        1: Trial((), PROGRAM, failed, Diagnosis("unknown_key", "cause", "hint")),
        2: Trial((), Program("print(2)", origin="model:m"), GOOD),
    }
    assert PlaybookListener(None)._repairs(story) == []  # type: ignore[arg-type]


async def test_no_lesson_is_stored_of_it_either() -> None:
    class Kept:
        async def add(self, lessons: list[object]) -> None:
            self.lessons = lessons

    kept = Kept()
    run, _ = with_shelf(Shelf(RECIPE), ScriptedExecutor(BAD, GOOD), "print(1)")
    listener = LessonListener(kept)  # type: ignore[arg-type]
    for event in await collect(run.run(asked())):
        await listener.handle(event)
    assert kept.lessons == []


FILE = DataFile("t.csv", b"x", (Column("price", "number", 2), Column("unit price", "number", 2)))
REQUEST = Request("0" * 32, "?", (FILE,))
READ = "open('/home/user/t.csv')\n"
PRICE = Slot("column", "number", "price", "Price")
FIVE = Slot("number", "int", 5, "5")
YEAR = Slot("number", "year", 2020, "2020")


@pytest.mark.parametrize(
    ("code", "slot", "bound"),
    [
        ("print(f['price'])", PRICE, True),
        ("print(f['price'], 'the price of it')", PRICE, True),
        ("print(f['price'], 'Price:')", PRICE, True),  # as the question says it
        ("print(f'{f[\"price\"]:.2f} price')", PRICE, True),
        ("print(f['price'], 'unit price')", PRICE, True),  # another column
        ("print(f['price'], 'prices')", PRICE, False),
        ("print(f['price'], 'precio')", PRICE, False),  # it means the same
        ("print(f['price'], f.price)", PRICE, False),
        ("print(f.agg(price=('price', 'sum')))", PRICE, False),
        ("print('price')", PRICE, True),
        ("print(f.head(5))", FIVE, True),
        ("print(f.head(5), 'top 5')", FIVE, True),
        ("plt.figure(figsize=(5, 4)); print(round(f.head(5), 6))", FIVE, True),
        ("print('top 5', f.head())", FIVE, False),
        ("print(f.head(5), f.tail(5))", FIVE, False),
        ("print(f.head(5), f.iloc[4])", FIVE, False),
        ("print(f.quantile(5), f.quantile(0.05))", FIVE, False),
        ("print(f[f.y == 2020])", YEAR, True),
        ("print(f[f.y >= '2020-01-01'])", YEAR, True),
        ("print(f[(f.y >= '2020-01-01') & (f.y < '2021-01-01')])", YEAR, False),
        ("print(f[f.y > 2019])", YEAR, False),
    ],
)
def test_a_slot_is_bound_where_the_program_holds_it_nowhere_else(
    code: str, slot: Slot, bound: bool
) -> None:
    found = parametrised(READ + code, REQUEST, [slot])
    assert found is not None
    assert bool(found.bound[0]) == bound
    compile(found.code, "recipe", "exec")


def test_a_parametrised_program_says_the_same() -> None:
    code = "open('t.csv')\nprint(f\"{'price'!r:>8} {3.14159:.2f} price, Price\", 'a price')\n"
    found = parametrised(code, REQUEST, [PRICE])
    assert found is not None
    assert "format" not in found.code
    spoken: list[list[str]] = []
    for text in (code, found.code):
        said: list[str] = []
        scope = {
            "open": lambda _: None,
            "print": lambda *some, said=said: said.extend(map(str, some)),
        }
        exec(text, scope)
        spoken.append(said)
    assert spoken[0] == spoken[1]


def test_what_cannot_be_parametrised_is_left() -> None:
    assert parametrised("match x:\n    case 'price':\n        open('t.csv')", REQUEST) is None
    assert parametrised("print('price')", REQUEST) is None  # no file of the request
    assert parametrised("def (", REQUEST) is None


def test_it_is_on_unless_it_is_switched_off(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert load_settings(dotenv=tmp_path / "no.env").ace.recipes == "on"
