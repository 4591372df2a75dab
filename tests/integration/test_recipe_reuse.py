"""Recipes of the playbook: real server and sandboxes, a scripted model that counts its calls."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from capibara6.ace.reuse.parameters import with_parameters
from capibara6.config import load_settings
from capibara6.domain import events as ev
from capibara6.domain.executions import ExecutionRequest, ExecutionResult
from capibara6.domain.programs import Example
from capibara6.domain.requests import Request
from capibara6.feedback import take_verdict
from capibara6.main import Platform, open_platform, profile
from scripted_model import ScriptedModel
from support.platform_process import Installation
from support.reuse import filled, recipe
from support.reuse_pairs import MAY, PROGRAMS, TABLES

pytestmark = pytest.mark.timeout(900)  # the first start on a machine builds the template

HOMES = b"city,district,price,rooms\nRome,North,100,2\nOslo,South,90,3\nRome,South,120,4\n"
MORE = HOMES + b"Oslo,North,110,5\n"
BROKEN = HOMES + b"Rome,North,?,7\n" * 40
PROGRAM = (
    "```python\nimport pandas as pd\nframe = pd.read_csv('homes.csv')\n"
    "rows = frame[frame['city'] == 'Rome']\nprint(rows['price'].mean())\n```"
)
ASKED = "What is the average price in Rome, all told?"  # no built-in recipe is sure of this
Events = list[ev.Event]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    found = Installation(tmp_path_factory.mktemp("recipes") / "home")
    yield found
    found.stop_server()


@pytest.fixture
def installation(server: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The server that all tests share; the playbook is new for each test."""
    for name in ("OPENAI_API_KEY", "E2B_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    for file in server.home.glob("capibara6.db*"):
        file.unlink()
    return server


@asynccontextmanager
async def platform(
    installation: Installation, model: ScriptedModel, **ace: str
) -> AsyncIterator[Platform]:
    tiers: dict[str, Any] = dict.fromkeys(("balanced", "complex"))
    tiers["fast_response"] = {"base_url": model.base_url, "model": "mistral"}
    file = installation.home / "recipes.json"
    file.write_text(json.dumps({"tiers": tiers, "ace": ace} if ace else {"tiers": tiers}))
    settings = load_settings(file, dotenv=installation.home / "none")
    async with open_platform(settings) as opened:
        yield opened


async def ask(
    opened: Platform, number: int, question: str, content: bytes = HOMES, **options: Any
) -> Events:
    request = Request(f"{number:032x}", question, (profile("homes.csv", content),), **options)
    return [event async for event in opened.pipeline.run(request)]


def answer(events: Events) -> str:
    (last,) = [event for event in events if isinstance(event, ev.RunFinished)]
    assert last.success, last.error
    return last.answer


def programs(events: Events) -> list[str]:
    return [one.program.origin for one in events if isinstance(one, ev.ProgramWritten)]


async def test_a_proven_program_answers_later_requests_without_a_model(
    installation: Installation,
) -> None:
    async with ScriptedModel([PROGRAM]) as model, platform(installation, model) as opened:
        first = await ask(opened, 1, ASKED, tier="fast_response")
        assert answer(first) == "110.0"
        assert len(model.requests) == 1
        again = await ask(opened, 2, "what is the average rooms in Oslo, all told?", MORE)
        assert answer(again).startswith("4.0\n\n(No model was used: recipe ")
        assert len(model.requests) == 1
        (recalled,) = [event for event in again if isinstance(event, ev.Recalled)]
        recipe = recalled.advice[0].bullet_id
        assert programs(again) == [f"playbook:{recipe}"]
        other = await ask(opened, 3, "What is the maximum price in Rome, all told?")
        assert programs(other)[0] != f"playbook:{recipe}"
    async with ScriptedModel([PROGRAM]) as model, platform(installation, model) as opened:
        moved = await ask(opened, 4, ASKED)  # another process
        assert answer(moved).startswith("110.0\n\n(No model was used: recipe ")
        assert model.requests == []
        (entry,) = [one async for one in _entries(opened) if one["id"] == recipe]
        assert (entry["helpful"], entry["harmful"]) == (2, 0)


async def test_a_recipe_that_fails_gives_way_to_the_model_and_is_not_tried_again(
    installation: Installation,
) -> None:
    mended = PROGRAM.replace("homes.csv')", "homes.csv', na_values='?')")
    async with ScriptedModel([PROGRAM, mended]) as model, platform(installation, model) as opened:
        await ask(opened, 1, ASKED, tier="fast_response")
        events = await ask(opened, 2, ASKED, BROKEN, tier=None)
        tried = programs(events)
        assert tried[0].startswith("playbook:")
        assert not tried[-1].startswith("playbook:")
        assert "110" in answer(events)
        (repair,) = [event for event in events if isinstance(event, ev.RepairStarted)]
        assert repair.attempt == 1
        (entry,) = [one async for one in _entries(opened) if one["harmful"]]
        assert (entry["helpful"], entry["harmful"]) == (0, 1)
        later = await ask(opened, 3, ASKED, MORE)
        assert tried[0] not in programs(later)


async def test_it_can_be_switched_off_and_a_chosen_model_is_asked(
    installation: Installation,
) -> None:
    async with (
        ScriptedModel([PROGRAM]) as model,
        platform(installation, model, recipes="off") as opened,
    ):
        for number in (1, 2):
            assert answer(await ask(opened, number, ASKED, tier="fast_response")) == "110.0"
        assert len(model.requests) == 2
        assert not any(one.startswith("playbook") for one in programs(await ask(opened, 3, ASKED)))


async def test_what_the_user_gives_is_asked_of_recipes_too(installation: Installation) -> None:
    holds = Example("round(rows['price'].mean())", "110")
    fails = Example("len(rows)", "77")
    async with ScriptedModel([PROGRAM]) as model, platform(installation, model) as opened:
        await ask(opened, 1, ASKED, tier="fast_response")
        assert programs(await ask(opened, 2, ASKED, examples=(holds,)))[0].startswith("playbook:")
        wrong = await ask(opened, 3, ASKED, examples=(fails,))
        assert programs(wrong)[0].startswith("playbook:")
        assert len(programs(wrong)) > 1


async def test_a_users_verdict_takes_a_wrong_recipe_out(installation: Installation) -> None:
    async with ScriptedModel([PROGRAM]) as model, platform(installation, model) as opened:
        await ask(opened, 1, ASKED, tier="fast_response")
        learnt = await take_verdict(opened.store, f"{1:032x}", good=False)
        assert learnt.bullets == 1
        again = await ask(opened, 2, ASKED)
        assert not any(one.startswith("playbook:") for one in programs(again))


async def _entries(opened: Platform) -> AsyncIterator[dict[str, Any]]:
    from capibara6.ace import Curator

    curator = Curator(opened.store.playbook)
    await curator.refresh()
    for entry in curator.playbook.entries():
        yield {"id": entry.bullet.id, "helpful": entry.helpful, "harmful": entry.harmful}


BOTH = """
import contextlib, io
def printed(code):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {{}})
    return said.getvalue()
for recipe, by_hand in {programs!r}:
    found = printed(recipe)
    print("same" if found and found == printed(by_hand) else f"{{found!r}} of {{recipe}}")
"""


async def test_what_recipes_print_is_what_programs_by_hand_print(
    installation: Installation,
) -> None:
    """Of all pairs that recipes must answer, in one sandbox."""
    programs = []
    for first, question, changed in MAY:
        table, _, _, name, values = first
        bullet = recipe(first)
        found = filled(bullet, question, TABLES[table])
        assert found is not None
        others = {key: changed.get(value, value) for key, value in values.items()}
        by_hand = PROGRAMS[name].format(path=TABLES[table].path, **others)
        programs.append((with_parameters(bullet, found.values), by_hand))
    request = ExecutionRequest(
        BOTH.format(programs=programs),
        template="data_analysis",
        files={file.path: file.content for file in TABLES.values()},
    )
    async with ScriptedModel([PROGRAM]) as model, platform(installation, model) as opened:
        *_, result = [item async for item in opened.executor.execute(request)]
    assert isinstance(result, ExecutionResult)
    assert result.success, result.error
    assert result.stdout.splitlines() == ["same"] * len(MAY)
