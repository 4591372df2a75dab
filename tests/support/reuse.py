"""Recipes out of the pairs' first questions, and what they answer second ones with."""

from datetime import UTC, datetime

from capibara6.ace.proven import recipe_of
from capibara6.ace.reuse.cookbook import read_request
from capibara6.ace.reuse.filling import Filling, filling
from capibara6.ace.reuse.proofs import proof_in
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Bullet
from capibara6.domain.programs import Program
from capibara6.domain.requests import DataFile, Request
from capibara6.language.detection import detect_language
from capibara6.learners import written
from support.reuse_pairs import PRINTED, PROGRAMS, TABLES, First

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def recipe(first: First) -> Bullet:
    table, language, question, name, values = first
    request = Request("0" * 32, question, (TABLES[table],))
    code = PROGRAMS[name].format(path=TABLES[table].path, **values)
    program = Program(code, origin="model:m")
    done = ExecutionResult(success=True, stdout=PRINTED.get(name, "Rome 110.5"))
    found = recipe_of(request, program, done, "describe", NOW, language, written)
    assert found is not None
    return found


def filled(
    bullet: Bullet, question: str, file: DataFile, language: str | None = None
) -> Filling | None:
    test = proof_in(bullet)
    assert test is not None
    language = language or detect_language(question)
    request = Request("1" * 32, question, (file,))
    read = read_request(request, language, written)
    return filling(bullet, test, request, read.form, language, read.facts)
