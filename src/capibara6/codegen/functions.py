"""Functions to complete: what a model is asked, and the program that its answer means. Pure.

Weak models answer with prose around the function, without a fence, with the body alone, with
examples that fail, with the function again and again, or cut off. What counts is the first block
that defines the function, as far as it can be read, and of it what defines something: a call or an
assertion behind it is no part of the answer.
"""

import ast
import re
import textwrap
from collections.abc import Sequence
from typing import Final

from capibara6.codegen.answer import extract_program, without_thoughts
from capibara6.codegen.blocks import fenced_blocks
from capibara6.codegen.cells import parsed
from capibara6.codegen.prompts import Message, described_advice
from capibara6.codegen.wording import wording
from capibara6.domain.playbook import Advice

WORDS_VERSION: Final = 1  # of what is asked; samples of another one are other samples
_CUTS_MAX: Final = 200  # lines taken from the end of what cannot be read
_ADVICE_CHARS_MAX: Final = 3_000
_EVIDENCE_CHARS_MAX: Final = 1_500
_BEGINNING = re.compile(r"^(?:(?:import|from|def|class|async def)\s+\w|@\w)", re.MULTILINE)
_ASKED: Final = {
    "en": "Complete this Python function. Answer with one ```python block that holds the whole "
    "function.\n\n```python\n{prompt}\n```",
    "es": "Completa esta función de Python. Responde con un único bloque ```python que contenga la "
    "función completa.\n\n```python\n{prompt}\n```",
}
_PROGRAM: Final = {
    "en": "{prompt}\n\nAnswer with one ```python block that holds the whole program.",
    "es": "{prompt}\n\nResponde con un único bloque ```python que contenga el programa completo.",
}
_FAILED: Final = {
    "en": "It failed:\n{evidence}\n\nCorrect the cause and write the whole program again, in one "
    "```python block.",
    "es": "Ha fallado:\n{evidence}\n\nCorrige la causa y escribe otra vez el programa completo, en "
    "un bloque ```python.",
}


def messages(
    prompt: str,
    entry_point: str,
    language: str,
    advice: Sequence[Advice] = (),
    failed: tuple[str, str] | None = None,
) -> list[Message]:
    """The chat that asks for a function (a program where `entry_point` is ""), or for its repair.

    Args:
        prompt: what a suite or a user gives: imports, head and docstring of the function.
        entry_point: the function's name.
        language: "es" | "en"; any other reads English.
        advice: of the playbook.
        failed: the program before and what it showed.
    """
    language = language if language in _ASKED else "en"
    form = _ASKED if entry_point else _PROGRAM
    asked = form[language].format(prompt=prompt.strip("\n").rstrip())
    lessons = described_advice(advice, wording(language).lessons, _ADVICE_CHARS_MAX)
    found = [Message(role="user", content=_sendable(asked + lessons))]
    if failed:
        code, evidence = failed
        complaint = _FAILED[language].format(evidence=evidence[-_EVIDENCE_CHARS_MAX:])
        answer = f"```python\n{code.strip()}\n```"
        found.append(Message(role="assistant", content=_sendable(answer)))
        found.append(Message(role="user", content=_sendable(complaint)))
    return found


def function_program(prompt: str, entry_point: str, answer: str) -> str | None:
    """The program that an answer means; None where it holds none.

    The prompt's own beginning (imports, other functions) goes before it.
    """
    if not entry_point:
        found = extract_program(answer)
        return found.code if found and found.language == "python" else None
    text = without_thoughts(answer.replace("\r\n", "\n"))
    blocks = [block.code for block in fenced_blocks(text) if block.code.strip()]
    for source in (*blocks, _from_beginning(text)):
        if code := _definitions(source, entry_point):
            return f"{_prelude(prompt, entry_point)}{code}\n"
    for source in blocks or [text]:
        if whole := _with_body(prompt, source, entry_point):
            return whole
    return None


def is_answered(entry_point: str, text: str) -> bool:
    """Whether an answer that is still coming holds a closed block with the whole function."""
    if not entry_point or text.count("```") < 2:
        return False
    blocks = fenced_blocks(text)
    return any(b.closed and _defines(parsed(b.code), entry_point) for b in blocks)


def _from_beginning(text: str) -> str:
    """A text without a fence, from where Python begins."""
    found = _BEGINNING.search(text)
    return text[found.start() :].replace("```", "") if found else ""


def _definitions(source: str, entry_point: str) -> str | None:
    """What of a source defines something, if the function is among it."""
    readable = _readable(source)
    tree = parsed(readable)
    if tree is None or not _defines(tree, entry_point):
        return None
    lines = readable.split("\n")
    kept = [node for node in tree.body if _is_definition(node)]
    return "\n".join(line for node in kept for line in lines[_first(node) - 1 : node.end_lineno])


def _readable(source: str) -> str:
    """The longest beginning, in whole lines, that can be read."""
    lines = source.rstrip().split("\n")
    for _ in range(_CUTS_MAX):
        code = "\n".join(lines)
        if not lines or parsed(code) is not None:
            return code
        lines.pop()
    return ""


def _defines(tree: ast.Module | None, name: str) -> bool:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if tree is None:
        return False
    return any(isinstance(node, functions) and node.name == name for node in tree.body)


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.Try):
        return any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body)
    return isinstance(
        node,
        ast.Import
        | ast.ImportFrom
        | ast.FunctionDef
        | ast.AsyncFunctionDef
        | ast.ClassDef
        | ast.Assign
        | ast.AnnAssign,
    )


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _prelude(prompt: str, entry_point: str) -> str:
    """The prompt up to the function, where that can be read by itself."""
    head = re.search(rf"^(?:async )?def {re.escape(entry_point)}\b", prompt, re.MULTILINE)
    before = prompt[: head.start()].strip("\n") if head else ""
    return f"{before}\n\n\n" if before.strip() and parsed(before) is not None else ""


def _with_body(prompt: str, source: str, entry_point: str) -> str | None:
    """The prompt with what may be the function's body alone."""
    body = textwrap.indent(textwrap.dedent(source.strip("\n")), "    ")
    first = body.strip().split("\n")[0]
    if not re.match(r"(?:return|if|for|while|try|with|\w+(?:, ?\w+)* [-+*/]?=|\w+\()", first):
        return None
    readable = _readable(f"{prompt.rstrip()}\n{body}\n")
    return f"{readable}\n" if len(readable) > len(prompt.rstrip()) else None


def _sendable(text: str) -> str:
    # Lone surrogates cannot be sent as UTF-8.
    return text.encode("utf-8", "replace").decode()
