"""What goes between the stages and what the user reads at the end, made from domain types. Pure."""

from typing import Final

from capibara6.domain.executions import ExecutionRequest, ExecutionResult, ResultItem
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Diagnosis, Program
from capibara6.domain.requests import DataFile, Request, Route
from capibara6.errors import ModelReplyError
from capibara6.texts import say

RECIPE: Final = "recipe"  # the tier of the recipes
_RECIPE_ORIGIN: Final = "recipe:"
_MODEL_ORIGIN: Final = "model:"
_QUESTION_CHARS_MAX: Final = 200  # of the question that proved a recipe, in its answers
_TEXT: Final = "text/plain"


def asks_for_no_program(request: Request, route: Route) -> bool:
    """Whether there is nothing to compute: small talk without data."""
    return route.task == "conversation" and not request.files


def answer_of(
    program: Program,
    result: ExecutionResult,
    language: str,
    very_small: frozenset[str] = frozenset(),
) -> str:
    """The printed answer, and whether a model was used, or one that is very small."""
    answer = printed(result) or say("nothing_printed", language)
    if program.origin.startswith(_RECIPE_ORIGIN):
        recipe = program.origin.removeprefix(_RECIPE_ORIGIN)
        used = "recipe_by_model" if program.completion_tokens else "no_model_used"
        return f"{answer}\n\n{say(used, language, recipe=recipe)}"
    model = program.origin.removeprefix(_MODEL_ORIGIN)
    if program.origin.startswith(_MODEL_ORIGIN) and model in very_small:
        return f"{answer}\n\n{say('very_small_model', language, model=model)}"
    return answer


def of_recipe(recipe: Advice, language: str) -> str:
    """What an answer says of the playbook's recipe that gave it."""
    question = recipe.text.partition("\n")[0][:_QUESTION_CHARS_MAX]
    return f"\n\n{say('playbook_recipe', language, id=recipe.bullet_id[:8], question=question)}"


def written(program: Program, language: str) -> str:
    """The answer of a program that shows nothing and yet did what it was asked: itself."""
    said = say("function_written", language)
    return f"{said}\n\n```{program.language}\n{program.code.strip()}\n```"


def printed(result: ExecutionResult) -> str:
    """What the program printed, or else the text of its main result."""
    return result.stdout.strip() or _main_text(result.results)


def execution_of(program: Program, request: Request, route: Route) -> ExecutionRequest:
    """How a written program is to be run."""
    return ExecutionRequest(
        code=program.code,
        language=program.language,
        template=request.template or route.template,
        timeout_s=request.timeout_s,
        files={file.path: file.content for file in request.files},
        task=route.task,
    )


def paths_of(request: Request) -> tuple[str, ...]:
    """Where a request's data files will lie inside the sandbox."""
    return tuple(file.path for file in request.files)


def request_of(run_id: str, execution: ExecutionRequest) -> Request:
    """The request that a program sent as it is stands for: no question, only files and limits."""
    files = (DataFile(path.rsplit("/", 1)[-1], data) for path, data in execution.files.items())
    return Request(run_id, "", tuple(files), execution.template, None, execution.timeout_s)


def required(program: Program | None, tier: str) -> Program:
    """The program that a writer owes.

    Raises:
        ModelReplyError: its stream ended without one.
    """
    if program is None or not program.code.strip():
        raise ModelReplyError(tier, "the answer ended without a program")
    return program


def is_silent(result: ExecutionResult) -> bool:
    """Whether a program ended well and yet left nothing that could answer anybody."""
    return not (result.stdout.strip() or result.results or result.artefacts)


def silence(language: str) -> Diagnosis:
    """The diagnosis of a silent program, so that a repair can mend it."""
    return Diagnosis("no_output", say("silent_cause", language), say("silent_hint", language))


def _main_text(results: tuple[ResultItem, ...]) -> str:
    texts = [item.data.get(_TEXT, "") for item in results if item.is_main_result]
    return str(texts[-1]).strip() if texts else ""
