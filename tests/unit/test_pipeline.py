import asyncio
from contextlib import aclosing

import pytest

from capibara6.domain.events import (
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
)
from capibara6.domain.executions import ExecutionRequest
from capibara6.domain.programs import Diagnosis, Program
from capibara6.domain.requests import DataFile
from capibara6.errors import (
    ModelReplyError,
    ModelUnreachableError,
    ProviderUnreachableError,
    RequestError,
)
from scripted_ports import (
    BAD,
    GOOD,
    RUN_ID,
    SILENT,
    BrokenListener,
    Listener,
    ScriptedExecutor,
    ScriptedRouter,
    ScriptedWriter,
    collect,
    names,
    pipeline,
    question,
)


async def test_a_run_tells_its_events_in_the_documented_order():
    listener = Listener()
    writer = ScriptedWriter("fast", ["thi", "nk", Program("print(42)", tier="fast")])
    parts = pipeline([writer], ScriptedExecutor(GOOD), sinks=[listener])

    events = await collect(parts.run(question()))

    assert names(events) == [
        "RunStarted",
        "Routed",
        "ProgramChunk",
        "ProgramChunk",
        "ProgramWritten",
        "Validated",
        "ExecutionStarted",
        "Output",
        "ResultShown",
        "ExecutionFinished",
        "RunFinished",
    ]
    assert events == listener.events
    assert {event.run_id for event in events} == {RUN_ID}
    assert events[-1] == RunFinished(RUN_ID, True, "42", 1, 0.0)


async def test_files_and_limits_reach_the_sandbox():
    executor = ScriptedExecutor(GOOD)
    file = DataFile("a.csv", b"x\n1\n")

    await collect(pipeline([ScriptedWriter("fast", "p")], executor).run(question(files=[file])))

    assert executor.requests == [
        ExecutionRequest("p", files={"/home/user/a.csv": b"x\n1\n"}, task="describe")
    ]


async def test_a_failed_program_is_repaired_by_the_next_tier_that_is_told_why():
    fast, balanced = ScriptedWriter("fast", "bad"), ScriptedWriter("balanced", "good")

    events = await collect(pipeline([fast, balanced], ScriptedExecutor(BAD, GOOD)).run(question()))

    repair = next(event for event in events if isinstance(event, RepairStarted))
    assert (repair.attempt, repair.next_tier) == (1, "balanced")
    assert repair.diagnosis == Diagnosis("scripted", "cause of bad", "hint")
    (told,) = balanced.asked
    assert (told.program.code, told.result, told.diagnosis) == ("bad", BAD, repair.diagnosis)
    assert (events[-1].success, events[-1].attempts) == (True, 2)


async def test_the_strongest_tier_repairs_itself_up_to_the_limit():
    writer = ScriptedWriter("complex", "a", "b", "c", "never")

    events = await collect(pipeline([writer], ScriptedExecutor(BAD, BAD, BAD)).run(question()))

    assert [e.program.code for e in events if isinstance(e, ProgramWritten)] == ["a", "b", "c"]
    assert events[-1].error_code == "program_failed"
    assert "cause of c" in events[-1].error
    assert events[-1].attempts == 3


async def test_findings_stop_a_program_before_the_sandbox():
    writer, executor = ScriptedWriter("fast", "undefined", "good"), ScriptedExecutor(GOOD)

    events = await collect(pipeline([writer], executor, refused=["undefined"]).run(question()))

    assert [request.code for request in executor.requests] == ["good"]
    assert writer.asked[1].findings[0].code == "F821"
    assert writer.asked[1].result is None
    assert events[-1].success


async def test_a_silent_program_is_no_answer():
    writer = ScriptedWriter("fast", "quiet", "loud")

    events = await collect(pipeline([writer], ScriptedExecutor(SILENT, GOOD)).run(question()))

    assert writer.asked[1].diagnosis.kind == "no_output"
    assert events[-1].answer == "42"


async def test_a_recipe_says_that_no_model_was_used_in_the_language_of_the_question():
    parts = pipeline(
        [ScriptedWriter("recipe", "p")],
        ScriptedExecutor(GOOD),
        router=ScriptedRouter(language="es"),
    )

    last = (await collect(parts.run(question())))[-1]

    assert last.answer == "42\n\n(No se usó ningún modelo: responde la receta «count».)"


async def test_a_recipe_with_nothing_left_to_try_ends_as_a_failed_program():
    writer = ScriptedWriter("recipe", "p", RequestError("The recipe failed: no rows."))

    events = await collect(pipeline([writer], ScriptedExecutor(BAD)).run(question()))

    assert writer.asked[1].program.code == "p"
    assert (events[-1].error_code, events[-1].error) == (
        "program_failed",
        "The recipe failed: no rows.",
    )


async def test_a_recipe_that_does_not_apply_leaves_the_question_to_a_model():
    recipe = ScriptedWriter("recipe", RequestError("No numeric column."))
    fast = ScriptedWriter("fast", "p")

    events = await collect(pipeline([recipe, fast], ScriptedExecutor(GOOD)).run(question()))

    assert names(events)[2] == "RepairStarted"
    assert fast.asked == [None]
    assert events[-1].success


async def test_without_a_model_the_reason_of_the_recipe_is_the_end():
    recipe = ScriptedWriter("recipe", RequestError("No numeric column."))

    last = (await collect(pipeline([recipe], ScriptedExecutor()).run(question())))[-1]

    assert (last.success, last.error_code, last.error) == (
        False,
        "bad_request",
        "No numeric column.",
    )


async def test_unreachable_models_are_passed_over_and_spend_no_attempt():
    gone = [
        ScriptedWriter(name, ModelUnreachableError(name, "http://x", "refused"))
        for name in ("one", "two", "three")
    ]
    last_tier = ScriptedWriter("four", "bad", "good")

    parts = pipeline([*gone, last_tier], ScriptedExecutor(BAD, GOOD), attempts_max=2)
    events = await collect(parts.run(question()))

    assert events[-1].success
    assert events[-1].attempts == 5


async def test_an_unreachable_last_model_ends_the_run_clearly():
    writer = ScriptedWriter("fast", ModelUnreachableError("phi3", "http://x", "refused"))

    last = (await collect(pipeline([writer], ScriptedExecutor()).run(question())))[-1]

    assert last.error_code == "model_unreachable"
    assert "phi3" in last.error


@pytest.mark.parametrize("nonsense", [ModelReplyError("m", "no code"), ["just words"], [], "  "])
async def test_nonsense_is_asked_again_within_the_limit(nonsense):
    writer = ScriptedWriter("fast", nonsense, nonsense, nonsense, "never")

    last = (await collect(pipeline([writer], ScriptedExecutor()).run(question())))[-1]

    assert (last.error_code, last.attempts) == ("model_reply", 3)


async def test_a_pinned_tier_is_never_left():
    fast, strong = ScriptedWriter("fast", "a", "b", "c"), ScriptedWriter("strong", "never")

    parts = pipeline([fast, strong], ScriptedExecutor(BAD, BAD, BAD))
    events = await collect(parts.run(question(tier="fast")))

    assert strong.asked == []
    assert events[-1].error_code == "program_failed"


async def test_a_tier_that_does_not_answer_is_asked_only_when_the_user_names_it():
    spare = [ScriptedWriter("big", ModelUnreachableError("llama", "http://x", "refused"))]
    usable = [ScriptedWriter("fast", "p")]

    chosen = await collect(
        pipeline(usable, ScriptedExecutor(), spare=spare).run(question(tier="big"))
    )
    not_chosen = await collect(
        pipeline(usable, ScriptedExecutor(BAD), spare=spare, attempts_max=1).run(question())
    )

    assert chosen[-1].error_code == "model_unreachable"
    assert not_chosen[-1].error_code == "program_failed"
    assert len(spare[0].asked) == 1


async def test_an_unknown_tier_ends_the_run_and_names_the_known_ones():
    parts = pipeline([ScriptedWriter("fast")], ScriptedExecutor())

    events = await collect(parts.run(question(tier="huge")))

    assert names(events) == ["RunStarted", "RunFinished"]
    assert events[-1].error_code == "unknown_tier"
    assert "fast" in events[-1].error


async def test_a_provider_failure_ends_the_run_with_its_code():
    executor = ScriptedExecutor(ProviderUnreachableError("embedded", "http://x", "refused"))

    last = (await collect(pipeline([ScriptedWriter("fast", "p")], executor).run(question())))[-1]

    assert last.error_code == "provider_unreachable"


async def test_small_talk_runs_nothing_and_says_so():
    router = ScriptedRouter(task="conversation", language="es")
    parts = pipeline([ScriptedWriter("recipe")], ScriptedExecutor(), router=router)

    events = await collect(parts.run(question()))

    assert names(events) == ["RunStarted", "Routed", "RunFinished"]
    assert "no ejecuté nada" in events[-1].answer


async def test_a_broken_listener_breaks_neither_the_run_nor_the_next_listener(caplog):
    listener = Listener()
    parts = pipeline(
        [ScriptedWriter("fast", "p")], ScriptedExecutor(GOOD), sinks=[BrokenListener(), listener]
    )

    events = await collect(parts.run(question()))

    assert events[-1].success
    assert listener.events == events
    assert "BrokenListener failed on RunStarted" in caplog.text


async def test_a_fault_of_the_platform_still_ends_the_run(caplog):
    listener = Listener()
    parts = pipeline(
        [ScriptedWriter("fast", "p")], ScriptedExecutor(ZeroDivisionError()), sinks=[listener]
    )

    events = await collect(parts.run(question()))

    assert events[-1].error_code == "internal"
    assert listener.events[-1] == events[-1]
    assert "ZeroDivisionError" in caplog.text


async def test_cancelling_kills_the_sandbox_and_is_recorded():
    listener, executor = Listener(), ScriptedExecutor("hang")
    parts = pipeline([ScriptedWriter("fast", "p")], executor, sinks=[listener])
    task = asyncio.create_task(collect(parts.run(question())))
    await listener.output_seen.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert executor.killed == 1
    assert listener.events[-1].error_code == "cancelled"


async def test_closing_the_iterator_early_kills_the_sandbox_and_is_recorded():
    listener, executor = Listener(), ScriptedExecutor(GOOD)
    parts = pipeline([ScriptedWriter("fast", "p")], executor, sinks=[listener])

    async with aclosing(parts.run(question())) as events:
        async for event in events:
            if type(event).__name__ == "Output":
                break

    assert executor.killed == 1
    assert listener.events[-1].error_code == "cancelled"


async def test_leaving_after_the_end_is_no_cancellation():
    listener = Listener()
    parts = pipeline([ScriptedWriter("fast", "p")], ScriptedExecutor(GOOD), sinks=[listener])

    async with aclosing(parts.run(question())) as events:
        async for event in events:
            if isinstance(event, RunFinished):
                break

    assert [event.success for event in listener.events if isinstance(event, RunFinished)] == [True]


async def test_a_program_of_the_user_runs_as_it_is():
    listener, executor = Listener(), ScriptedExecutor(GOOD)
    parts = pipeline([], executor, sinks=[listener], refused=["print(x)"])
    execution = ExecutionRequest("print(x)", files={"/home/user/d/a.csv": b"1"})

    events = await collect(parts.execute(RUN_ID, execution))

    assert names(events) == [
        "RunStarted",
        "ProgramWritten",
        "ExecutionStarted",
        "Output",
        "ResultShown",
        "ExecutionFinished",
        "RunFinished",
    ]
    assert events[0].request.files[0].name == "a.csv"
    assert events[1].program.origin == "user"
    assert executor.requests == [execution]
    assert (events[-1].success, events[-1].answer) == (True, "42")
    assert not any(isinstance(event, Routed) for event in events)


async def test_a_failing_program_of_the_user_is_data_not_repaired():
    events = await collect(
        pipeline([], ScriptedExecutor(BAD)).execute(RUN_ID, ExecutionRequest(""))
    )

    finished = next(event for event in events if isinstance(event, ExecutionFinished))
    assert finished.result == BAD
    assert events[-1].error_code == "program_failed"
