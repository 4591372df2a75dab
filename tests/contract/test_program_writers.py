"""What the port ProgramWriter promises, for writers of models against a scripted endpoint."""

import asyncio
import socket
from contextlib import aclosing

import pytest
from pydantic import SecretStr

from capibara6.codegen.attempts import RetryPolicy
from capibara6.codegen.models import ModelWriter
from capibara6.codegen.tiers import ModelTier
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.programs import Diagnosis, Failure, Program
from capibara6.domain.requests import Column, DataFile, Request, Route
from capibara6.errors import ModelBusyError, ModelReplyError, ModelUnreachableError
from scripted_model import Reply, ScriptedModel

FILMS = DataFile("films.csv", b"title;price\nA;1,5\n", (Column("price", "number", 9, ("1,5",)),))
REQUEST = Request("0" * 32, "¿Cuál es el precio medio?", (FILMS,))
ROUTE = Route("describe", "default", "fast_response", "es", 0.9)
PROGRAM = "import pandas as pd\nprint(pd.__version__)\n"
ANSWER = f"Aquí está el programa:\n\n```python\n{PROGRAM}```\n\nImprime la versión."
KEY = "sk-secret-0123456789abcdef"


class Waits(list[float]):
    """Waits that take no time and are remembered."""

    async def __call__(self, wait_s: float) -> None:
        self.append(wait_s)


def tier_of(model: ScriptedModel, **changes: object) -> ModelTier:
    values = {
        "name": "fast_response",
        "base_url": model.base_url,
        "model": "phi3:mini",
        "api_key": SecretStr(KEY),
        "usd_per_million_tokens_in": 1.0,
        "usd_per_million_tokens_out": 2.0,
    }
    return ModelTier(**(values | changes))  # type: ignore[arg-type]


def writer_of(model: ScriptedModel, waits: Waits | None = None, **changes: object) -> ModelWriter:
    return ModelWriter(
        tier_of(model, **changes), pause=Waits() if waits is None else waits, jitter=lambda: 1.0
    )


async def written(writer: ModelWriter, failure: Failure | None = None) -> tuple[str, Program]:
    items = [item async for item in writer.write(REQUEST, ROUTE, failure)]
    assert isinstance(items[-1], Program)
    assert all(isinstance(item, str) for item in items[:-1])
    return "".join(map(str, items[:-1])), items[-1]


async def failed(reply: Reply | str, error: type[Exception], **changes: object) -> str:
    async with ScriptedModel([reply]) as model:
        with pytest.raises(error) as caught:
            await written(writer_of(model, **changes))
    assert KEY not in str(caught.value)
    return str(caught.value)


async def test_a_good_answer_streams_in_pieces_and_ends_with_the_program() -> None:
    async with ScriptedModel([ANSWER]) as model:
        writer = writer_of(model)
        items = [item async for item in writer.write(REQUEST, ROUTE)]
    assert len(items) > 5
    assert "".join(map(str, items[:-1])) == ANSWER
    assert items[-1] == Program(
        code=PROGRAM,
        origin="model:phi3:mini",
        tier="fast_response",
        prompt_tokens=100,
        completion_tokens=50,
        cost_usd=pytest.approx(200e-6),
    )
    assert writer.tier == "fast_response"


async def test_the_endpoint_is_asked_as_the_tier_says() -> None:
    async with ScriptedModel([ANSWER]) as model:
        await written(writer_of(model, tokens_max=77))
    (body,), (headers,) = model.requests, model.headers
    assert body["model"] == "phi3:mini"
    assert body["max_tokens"] == 77
    assert body["stream"] is True
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "/home/user/films.csv" in body["messages"][1]["content"]
    assert "precio medio" in body["messages"][1]["content"]


async def test_a_repair_shows_the_model_its_failure() -> None:
    error = ExecutionError("KeyError", "'precio'", "Traceback…\nKeyError: 'precio'")
    failure = Failure(
        Program("print(df['precio'])"),
        Diagnosis("unknown_column", "No hay columna 'precio'.", "Usa 'price'."),
        ExecutionResult(success=False, error=error),
    )
    async with ScriptedModel([ANSWER]) as model:
        await written(writer_of(model), failure)
    messages = model.requests[0]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "print(df['precio'])" in messages[2]["content"]
    assert "Usa 'price'." in messages[3]["content"]


async def test_without_usage_the_tokens_are_estimated_and_it_is_said() -> None:
    async with ScriptedModel([Reply(ANSWER, usage=None)]) as model:
        _, program = await written(writer_of(model))
    assert program.tokens_estimated
    assert program.completion_tokens == -(-len(ANSWER) // 4)
    assert program.prompt_tokens > 300
    assert program.cost_usd > 0


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_refused_request_is_tried_again(status: int) -> None:
    waits = Waits()
    async with ScriptedModel([Reply(status=status, text="later"), ANSWER]) as model:
        _, program = await written(writer_of(model, waits))
    assert program.code == PROGRAM
    assert len(model.requests) == 2
    assert waits == [0.25]


async def test_waits_grow_and_retry_after_is_honoured() -> None:
    waits = Waits()
    refusals = [Reply(status=500), Reply(status=429, headers={"retry-after": "3"}), ANSWER]
    async with ScriptedModel([Reply(status=500), *refusals]) as model:
        await written(writer_of(model, waits))
    assert waits == [0.25, 0.5, 3.0]


async def test_429_forever_is_busy() -> None:
    waits = Waits()
    async with ScriptedModel([Reply(status=429, text=f"slow down, {KEY}")]) as model:
        with pytest.raises(ModelBusyError, match=r"refused 4 attempts.*slow down") as caught:
            await written(writer_of(model, waits))
    assert KEY not in str(caught.value)
    assert waits == [0.25, 0.5, 1.0]


async def test_a_wait_beyond_bounds_or_a_spent_quota_is_not_waited_for() -> None:
    message = await failed(Reply(status=429, headers={"retry-after": "3600"}), ModelBusyError)
    assert "refused 1 attempts" in message
    assert "3600 s" in message
    spent = '{"error": {"message": "no money", "code": "insufficient_quota"}}'
    assert "no money" in await failed(Reply(status=429, raw=spent), ModelBusyError)


async def test_500_forever_is_unreachable() -> None:
    message = await failed(Reply(status=500, text="out of cards"), ModelUnreachableError)
    assert "HTTP 500: out of cards, 4 attempts" in message


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_that_no_waiting_mends_is_told_at_once(status: int) -> None:
    async with ScriptedModel([Reply(status=status, text=f"wrong: {KEY}")]) as model:
        with pytest.raises(ModelUnreachableError, match=f"HTTP {status}") as caught:
            await written(writer_of(model))
    assert KEY not in str(caught.value)
    assert len(model.requests) == 1


async def test_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = ScriptedModel(port=unused.getsockname()[1])
        waits = Waits()
        with pytest.raises(ModelUnreachableError, match="4 attempts") as caught:
            await written(writer_of(nobody, waits))
    assert nobody.base_url in str(caught.value)
    assert len(waits) == 3


async def test_a_secret_in_the_address_is_not_told() -> None:
    async with ScriptedModel([Reply(status=404)]) as model:
        address = model.base_url.replace("://", f"://user:{KEY}@")
        with pytest.raises(ModelUnreachableError) as caught:
            await written(writer_of(model, base_url=address))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("hard", [True, False])
async def test_a_half_stream_is_asked_for_once_more(hard: bool) -> None:
    half = Reply(ANSWER, cut_after_chars=40, cut_hard=hard)
    async with ScriptedModel([half, ANSWER]) as model:
        text, program = await written(writer_of(model))
    assert program.code == PROGRAM
    assert text.startswith(ANSWER[:40])
    assert "se interrumpió" in text
    assert text.endswith(ANSWER)
    assert program.tokens_estimated  # the half stream was billed, and nobody counted it
    assert program.completion_tokens == 50 + 10


@pytest.mark.parametrize("hard", [True, False])
async def test_two_half_streams_are_an_error(hard: bool) -> None:
    half = Reply(ANSWER, cut_after_chars=40, cut_hard=hard)
    async with ScriptedModel([half]) as model:
        with pytest.raises(ModelReplyError, match="the stream"):
            await written(writer_of(model))
    assert len(model.requests) == 2


async def test_an_error_inside_the_stream_is_told() -> None:
    reply = Reply("```python\nx", error_event=f"worker died, {KEY}")
    assert "worker died" in await failed(reply, ModelReplyError)


async def test_an_answer_that_ended_needs_no_end_mark() -> None:
    async with ScriptedModel([Reply(ANSWER, done=False, usage=None)]) as model:
        _, program = await written(writer_of(model))
    assert program.code == PROGRAM


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(""), "the answer is empty"),
        (Reply("", thought="hmm " * 9), "thought and then answered nothing"),
        (Reply("<think>let me see</think>"), "thought and then answered nothing"),
        (Reply("Lo siento, no puedo ayudar con eso."), "holds no program: 'Lo siento"),
        (Reply("asdf ;;; qwer {{{ 12"), "holds no program"),
        (Reply("", finish_reason="content_filter"), "content filter"),
        (Reply("```python\nprint(1", finish_reason="length"), "tokens_max"),
        (Reply("hello", content_type="text/html"), "text/html"),
        (Reply(raw="data: {not json\n\n"), "not JSON"),
        (Reply(raw='data: [1, "x", null]\n\ndata: 7\n\n'), "ended after 0 characters"),
        (Reply(raw="data: [DONE]\n\n"), "ended after 0 characters"),
        (Reply(status=400, text="context length exceeded"), "context length exceeded"),
    ],
)
async def test_an_unusable_answer_is_told(reply: Reply, words: str) -> None:
    assert words in await failed(reply, ModelReplyError)


async def test_a_forgotten_closing_fence_is_forgiven() -> None:
    async with ScriptedModel([f"```python\n{PROGRAM}"]) as model:
        _, program = await written(writer_of(model))
    assert program.code == PROGRAM


async def test_a_slow_first_token_is_unreachable() -> None:
    reply = Reply(ANSWER, first_token_delay_s=30)
    message = await failed(reply, ModelUnreachableError, first_token_timeout_s=0.2)
    assert "no first token within 0.2 s" in message


async def test_an_answer_that_never_ends_in_time_is_told() -> None:
    reply = Reply(ANSWER, chunk_delay_s=0.5)
    message = await failed(reply, ModelReplyError, timeout_s=1.2)
    assert "not complete after 1.2 s" in message


async def test_endless_repetition_is_stopped_and_the_stream_closed() -> None:
    async with ScriptedModel([Reply("I will now write. ", endless=True)]) as model:
        with pytest.raises(ModelReplyError, match="repeats itself"):
            await written(writer_of(model))
        await model.closed_streams()
    assert model.left_early == 1


async def test_a_program_before_endless_repetition_is_kept() -> None:
    text = ANSWER + "\nNota: listo. " * 2000
    async with ScriptedModel([Reply(text)]) as model:
        _, program = await written(writer_of(model))
        await model.closed_streams()
    assert program.code == PROGRAM
    assert model.left_early == 1


async def test_a_huge_answer_is_stopped_at_its_limit() -> None:
    text = "\n".join(f"value_{number} = {number * number}" for number in range(20_000))
    huge = Reply(f"```python\n{text}", chunk_chars=5_000)
    async with ScriptedModel([huge]) as model:
        with pytest.raises(ModelReplyError, match="longer than 50,000 bytes"):
            await written(writer_of(model, answer_bytes_max=50_000))
        await model.closed_streams()


@pytest.mark.parametrize(
    ("words", "absent", "present"),
    [
        ("max_tokens is unsupported, use max_completion_tokens", "max_tokens", "temperature"),
        ("temperature does not support 0.2", "temperature", "max_tokens"),
        ("unknown field stream_options", "stream_options", "max_tokens"),
    ],
)
async def test_an_option_that_an_endpoint_refuses_is_left_out(
    words: str, absent: str, present: str
) -> None:
    async with ScriptedModel([Reply(status=400, text=words), ANSWER, ANSWER]) as model:
        writer = writer_of(model)
        await written(writer)
        await written(writer)  # it is not asked for again
    assert len(model.requests) == 3
    assert all(absent not in body and present in body for body in model.requests[1:])
    renamed = [body.get("max_completion_tokens") for body in model.requests[1:]]
    assert renamed == ([4096, 4096] if absent == "max_tokens" else [None, None])


async def test_closing_the_iterator_closes_the_stream() -> None:
    async with ScriptedModel([Reply(ANSWER, endless=True, chunk_delay_s=0.01)]) as model:
        async with aclosing(writer_of(model).write(REQUEST, ROUTE)) as pieces:
            await anext(pieces)
        await model.closed_streams()
    assert model.left_early == 1


async def test_cancelling_closes_the_stream() -> None:
    async with ScriptedModel([Reply(ANSWER, first_token_delay_s=60)]) as model:
        task = asyncio.create_task(written(writer_of(model)))
        await model.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await model.closed_streams()
    assert model.left_early == 1


async def test_cancelling_ends_a_wait_between_attempts() -> None:
    policy = RetryPolicy(first_wait_s=60, wait_s_max=60)
    async with ScriptedModel([Reply(status=500)]) as model:
        task = asyncio.create_task(written(ModelWriter(tier_of(model), policy)))
        await model.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(model.requests) == 1


async def test_one_writer_serves_many_at_once() -> None:
    async with ScriptedModel([ANSWER]) as model:
        writer = writer_of(model)
        answers = await asyncio.gather(*(written(writer) for _ in range(8)))
    assert {program.code for _, program in answers} == {PROGRAM}
