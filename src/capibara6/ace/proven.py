"""Recipes out of programs that worked: what belongs to one request becomes parameters. Pure."""

import ast
from datetime import datetime
from typing import Final

from capibara6.ace.deltas import PROGRAM_CHARS_MAX, TEXT_CHARS_MAX, stable_id
from capibara6.ace.signatures import tree_of
from capibara6.ace.traits import traits
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Bullet, Scope
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request

_MODEL: Final = "model:"
_PRINTED_CHARS_MAX: Final = 400
_LINES_MAX: Final = 80  # a longer program is no example


def recipe_of(
    request: Request, program: Program, result: ExecutionResult | None, task: str, at: datetime
) -> Bullet | None:
    """The recipe that a model's program proved; None when it is none that could serve again.

    The paths of the request's files and the names of its columns, where the program writes them,
    become parameters at its top; what it printed with them is its test.
    """
    good = result is not None and result.success and bool(result.stdout.strip())
    fits = program.origin.startswith(_MODEL) and program.language == "python" and request.files
    if not good or not fits or len(program.code.splitlines()) > _LINES_MAX:
        return None
    found = parametrised(program.code, request)
    if found is None or result is None:
        return None
    code, parameters = found
    test = {"parameters": parameters, "printed": result.stdout.strip()[:_PRINTED_CHARS_MAX]}
    return Bullet(
        id=stable_id("recipe", ast.dump(ast.parse(without_parameters(code, parameters)))),
        section="recipe",
        text=" ".join(request.question.split())[:TEXT_CHARS_MAX],
        created=at,
        scope=Scope(task, (), traits(request)),
        program=code,
        parameters=parameters,
        tests=(test,),
        origin="recipe",
    )


def parametrised(code: str, request: Request) -> tuple[str, dict[str, str]] | None:
    """A program with the request's own names as parameters at its top, and their values.

    None when it cannot be parsed, names no file of the request, or grows too long.
    """
    tree = tree_of(code)
    if tree is None:
        return None
    values = _values(request)
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    replacer = _Parameters({text: name for name, text in values.items() if name not in taken})
    body = ast.unparse(ast.fix_missing_locations(replacer.visit(tree)))
    used = {name: values[name] for name in values if name in replacer.used}
    if not any(name.startswith("FILE") for name in used):
        return None
    head = "\n".join(f"{name} = {text!r}" for name, text in used.items())
    whole = f"{head}\n{body}"
    return (whole, used) if len(whole) <= PROGRAM_CHARS_MAX else None


def without_parameters(code: str, parameters: dict[str, str]) -> str:
    """The program below its parameters: what it is, whatever they are."""
    return "\n".join(code.splitlines()[len(parameters) :])


def with_parameters(bullet: Bullet, values: dict[str, str]) -> str:
    """The recipe's program for other values; a parameter without one keeps its own."""
    chosen = {name: values.get(name, text) for name, text in bullet.parameters.items()}
    head = "\n".join(f"{name} = {text!r}" for name, text in chosen.items())
    return f"{head}\n{without_parameters(bullet.program, bullet.parameters)}"


def _values(request: Request) -> dict[str, str]:
    files = {f"FILE_{n}": file.path for n, file in enumerate(request.files, 1)}
    columns = dict.fromkeys(column.name for file in request.files for column in file.columns)
    return files | {f"COLUMN_{n}": name for n, name in enumerate(columns, 1)}


class _Parameters(ast.NodeTransformer):
    """Puts a parameter's name where the program writes its value."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self.used: set[str] = set()

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        name = self._names.get(node.value) if isinstance(node.value, str) else None
        if name is None:
            return node
        self.used.add(name)
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        values = [one if isinstance(one, ast.Constant) else self.visit(one) for one in node.values]
        return ast.copy_location(ast.JoinedStr(values), node)
