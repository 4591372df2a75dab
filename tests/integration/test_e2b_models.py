"""Models and sandbox together: scripted OpenAI-compatible endpoints, the real embedded server."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from capibara6.config import load_settings
from capibara6.main import create_app, open_platform
from capibara6.routing.listener import outcome_id
from capibara6.store import Store
from scripted_model import Reply, ScriptedModel
from support.platform_process import Installation

pytestmark = pytest.mark.timeout(900)  # the first start on a machine builds the template

TABLE = "city,people\nLima,10\nQuito,2\n"
WRONG = "```python\nimport pandas as pd\nprint(pd.read_csv('c.csv')['population'].max())\n```"
RIGHT = "```python\nimport pandas as pd\nprint(pd.read_csv('c.csv')['people'].max())\n```"
QUESTION = {"question": "Write code that prints the largest number", "files": {"c.csv": TABLE}}


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    installation = Installation(tmp_path_factory.mktemp("models") / "home")
    yield installation
    installation.stop_server()


def configured(installation, **tiers):
    """A configuration whose tiers are exactly these."""
    unused = dict.fromkeys(("fast_response", "balanced", "complex"))
    values = {
        name: model and {"base_url": model.base_url, "model": "mistral"}
        for name, model in {**unused, **tiers}.items()
    }
    file = installation.home / "tiers.json"
    # The same question is asked again and again, and its answers are to be the models'.
    file.write_text(json.dumps({"tiers": values, "ace": {"recipes": "off"}}))
    return file


@asynccontextmanager
async def platform_with(installation, monkeypatch, **tiers):
    """A client of the HTTP face, in this process, of a platform that has these tiers."""
    for name in ("OPENAI_API_KEY", "E2B_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in installation.environment().items():
        monkeypatch.setenv(name, value)
    settings = load_settings(configured(installation, **tiers), dotenv=installation.home / "none")
    async with open_platform(settings) as platform:
        app = create_app(settings, platform)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            url = "http://127.0.0.1:8100"
            async with httpx.AsyncClient(transport=transport, base_url=url, timeout=100) as http:
                yield http


async def test_a_wrong_column_is_repaired_by_the_next_tier(installation, monkeypatch):
    async with (
        ScriptedModel([WRONG]) as fast,
        ScriptedModel([RIGHT]) as balanced,
        platform_with(installation, monkeypatch, fast_response=fast, balanced=balanced) as http,
    ):
        reply = await http.post("/api/query", json={**QUESTION, "stream": True})

    frames = [dict(line.split(": ", 1) for line in part.split("\n"))
              for part in reply.text.strip().split("\n\n")]  # fmt: skip
    events = [json.loads(frame["data"]) for frame in frames]
    repair = next(event for event in events if event["event"] == "repair_started")
    assert (repair["attempt"], repair["next_tier"]) == (1, "balanced")
    assert repair["diagnosis"]["kind"] == "unknown_column"
    assert "people" in repair["diagnosis"]["cause"] + repair["diagnosis"]["hint"]
    last = events[-1]
    assert (last["success"], last["answer"], last["attempts"]) == (True, "10", 2)
    assert "population" in json.dumps(balanced.requests[0])


async def test_a_run_teaches_the_router_what_its_tiers_achieved(installation, monkeypatch):
    async with (
        ScriptedModel([WRONG]) as fast,
        ScriptedModel([RIGHT]) as balanced,
        platform_with(installation, monkeypatch, fast_response=fast, balanced=balanced) as http,
    ):
        record = (await http.post("/api/query", json=QUESTION)).json()
        store = await Store.open(
            f"sqlite:///{installation.home / 'capibara6.db'}", installation.home
        )
        try:
            outcomes = [outcome for _, outcome in await store.outcomes.after(0, 100)]
        finally:
            await store.close()

    tiers = [attempt["program"]["tier"] for attempt in record["attempts"]]
    learnt = {found.tier: found.success for found in outcomes if found.id in _ids(record, tiers)}
    assert learnt == {tier: float(tier == "balanced") for tier in tiers}


def _ids(record, tiers):
    return {outcome_id(record["run_id"], tier) for tier in tiers}


async def test_the_best_of_three_answers_and_the_reply_shows_all(installation, monkeypatch):
    async with (
        ScriptedModel([WRONG, RIGHT, RIGHT.replace("max", "min")]) as model,
        platform_with(installation, monkeypatch, complex=model) as http,
    ):
        asked = {**QUESTION, "candidates": 3, "tests": "import builtins"}
        record = (await http.post("/api/query", json=asked)).json()

    (attempt,) = record["attempts"]
    assert (record["success"], record["answer"]) == (True, "10")
    assert (attempt["choice"]["candidate"], attempt["choice"]["ground"]) == (2, "tests")
    kept = next(one for one in attempt["candidates"] if one["candidate"] == 2)
    assert (kept["success"], kept["shown"]) == (True, "10")
    assert [request.get("seed") for request in model.requests[:2]] == [None, 1002]
    assert model.requests[1]["temperature"] == 0.8


async def test_the_same_model_repairs_itself(installation, monkeypatch):
    async with (
        ScriptedModel([WRONG, RIGHT]) as model,
        platform_with(installation, monkeypatch, complex=model) as http,
    ):
        record = (await http.post("/api/query", json=QUESTION)).json()

    assert (record["success"], record["answer"]) == (True, "10")
    assert [attempt["program"]["tier"] for attempt in record["attempts"]] == ["complex"] * 2
    assert record["attempts"][0]["program"]["completion_tokens"] == 50


async def test_an_undefined_name_never_reaches_a_sandbox(installation, monkeypatch):
    async with (
        ScriptedModel(["```python\nprint(undefined_name)\n```", RIGHT]) as model,
        platform_with(installation, monkeypatch, complex=model) as http,
    ):
        record = (await http.post("/api/query", json=QUESTION)).json()

    first, second = record["attempts"]
    assert first["findings"][0]["code"] == "F821"
    assert first["result"] is None
    assert second["result"]["success"]


@pytest.mark.parametrize(
    ("script", "status", "code", "requests"),
    [
        ([Reply("I would rather talk about the weather.")], 502, "model_reply", 3),
        ([Reply("")], 502, "model_reply", 3),
        ([Reply("no", status=401)], 502, "model_unreachable", 1),
    ],
    ids=["nonsense", "nothing", "refused key"],
)
async def test_a_model_that_never_helps_ends_the_run_clearly(
    installation, monkeypatch, script, status, code, requests
):
    async with (
        ScriptedModel(script) as model,
        platform_with(installation, monkeypatch, fast_response=model) as http,
    ):
        reply = await http.post("/api/query", json=QUESTION)

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert len(model.requests) == requests


@pytest.mark.parametrize(
    "bad",
    [
        Reply("no", status=500, headers={"Retry-After": "0"}),
        Reply("no", status=429, headers={"Retry-After": "0"}),
        Reply("I cannot."),
        Reply(RIGHT, cut_after_chars=20),
    ],
    ids=["500", "429", "nonsense", "half a stream"],
)
async def test_a_bad_model_leaves_the_question_to_the_next(installation, monkeypatch, bad):
    async with (
        ScriptedModel([bad]) as fast,
        ScriptedModel([RIGHT]) as balanced,
        platform_with(installation, monkeypatch, fast_response=fast, balanced=balanced) as http,
    ):
        record = (await http.post("/api/query", json=QUESTION)).json()

    assert (record["success"], record["answer"]) == (True, "10")
    assert fast.requests
    assert len(balanced.requests) == 1


async def test_the_command_line_shows_the_repair(installation):
    (installation.home / "c.csv").write_text(TABLE)
    async with ScriptedModel([WRONG, RIGHT]) as model:
        config = configured(installation, balanced=model)
        done = await asyncio.to_thread(
            installation.run,
            *("ask", QUESTION["question"], "--data", "c.csv"),
            CAPIBARA6_CONFIG=str(config),
        )

    assert done.status == 0, done.messages
    order = ["Program (attempt 1", "Attempt 1 failed (unknown_column)", "(attempt 2", "Answer\n10"]
    places = [done.output.index(text) for text in order]
    assert places == sorted(places)
    assert "No model was used" not in done.output


async def test_a_tier_that_does_not_answer_is_told_when_it_is_asked_for(installation):
    async with ScriptedModel([RIGHT]) as gone:
        config = configured(installation, balanced=gone)
    done = await asyncio.to_thread(
        installation.run,
        *("ask", "Write code", "--tier", "balanced"),
        CAPIBARA6_CONFIG=str(config),
    )

    assert done.status == 3
    assert "[model_unreachable]" in done.output


OLD_AREA = "```python\nimport numpy as np\nprint(np.trapz([1, 2, 3]))\n```"
NEW_AREA = "```python\nimport numpy as np\nprint(np.trapezoid([1, 2, 3]))\n```"


async def test_a_lesson_of_one_run_is_in_the_prompt_of_the_next(installation, monkeypatch):
    async with (
        ScriptedModel([OLD_AREA, NEW_AREA, NEW_AREA]) as model,
        platform_with(installation, monkeypatch, balanced=model) as http,
    ):
        first = await http.post(
            "/api/query",
            json={"question": "Write code for the area under the curve of 1, 2, 3"},
            timeout=300,  # the packages of the template are listed first
        )
        second = await http.post(
            "/api/query", json={"question": "Escribe código: el área bajo la curva de 4, 5 y 6"}
        )

    attempts = first.json()["attempts"]
    facts = attempts[0]["diagnosis"]["facts"]
    assert any("`numpy` has no `trapz`" in fact for fact in facts), facts
    complaint = model.requests[1]["messages"][-1]["content"]
    assert facts[0] in complaint
    assert attempts[0]["advice"] == []
    advice = second.json()["attempts"][0]["advice"]
    assert "`np.trapz` is gone; use `np.trapezoid`." in advice[0]["text"]
    assert advice[0]["text"] in model.requests[2]["messages"][0]["content"]
    assert len(second.json()["attempts"]) == 1
