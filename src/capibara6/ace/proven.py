"""Recipes out of programs that worked: what belongs to one request becomes parameters. Pure."""

import ast
from datetime import datetime
from typing import Final

from capibara6.ace.deltas import TEXT_CHARS_MAX, stable_id
from capibara6.ace.reuse.cookbook import read_request
from capibara6.ace.reuse.facts import ReadTable
from capibara6.ace.reuse.parameters import parametrised, without_parameters
from capibara6.ace.reuse.proofs import proof_of
from capibara6.ace.traits import traits
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Bullet, Scope
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.language.detection import detect_language

_MODEL: Final = "model:"
_LINES_MAX: Final = 80  # a longer program is no example


def recipe_of(
    request: Request,
    program: Program,
    result: ExecutionResult | None,
    task: str,
    at: datetime,
    language: str | None = None,
    read_table: ReadTable | None = None,
) -> Bullet | None:
    """The recipe that a model's program proved; None when it is none that could serve again.

    What the program writes that was the request's own (paths, columns, and values, numbers and
    texts of the question) becomes parameters at its top; what it printed with them is its test.

    Args:
        request: that it answered.
        program: as it ran.
        result: what it came to.
        task: of the route.
        at: the time.
        language: of the route; None: as the question reads.
        read_table: tells of the data; None: nothing is known but their columns.
    """
    if result is None or not result.success or not result.stdout.strip():
        return None
    fits = program.origin.startswith(_MODEL) and program.language == "python" and request.files
    if not fits or len(program.code.splitlines()) > _LINES_MAX:
        return None
    language = language or detect_language(request.question)
    read = read_request(request, language, read_table or (lambda _: None))
    made = parametrised(program.code, request, read.form.slots)
    if made is None:
        return None
    test = proof_of(read.form, language, request, made, program, result, read.facts, read.values)
    return Bullet(
        id=stable_id("recipe", ast.dump(ast.parse(without_parameters(made.code, made.parameters)))),
        section="recipe",
        text=" ".join(request.question.split())[:TEXT_CHARS_MAX],
        created=at,
        scope=Scope(task, (), traits(request)),
        program=made.code,
        parameters=made.parameters,
        tests=(test,),
        origin="recipe",
    )
