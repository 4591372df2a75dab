"""Python values and calls inside of prose: where they end, and what they are. Pure.

Nothing is evaluated here; what is found stays text, as Python would write it.
"""

import ast
import re
from typing import Final

from capibara6.syntax import parse

SPAN_CHARS_MAX: Final = 4_000  # of one call or value
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_WORDS: Final = {
    "true": "True", "false": "False", "none": "None", "null": "None",
    "verdadero": "True", "falso": "False", "ninguno": "None", "nulo": "None",
}  # fmt: skip
_SIMPLE = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+)j?(?![\w])|[^\W\d]\w*")
_PREFIX = re.compile(r"[rbuRBU]{0,2}(?=['\"])")
_SUM = re.compile(r"[-+*/().\d\s]+=\s*(?=[-+\d])")
_AFTER = re.compile(
    r"[ \t]*(?:$|\n|[.,;)#(`…!?]|-\s|/\s*/"
    r"|(?:and|or|as|since|because|for|when|where|if|with|is|y|o|ya|porque|pues|si|cuando)\b)"
)


def bracket_end(text: str, start: int) -> int | None:
    """Where the bracket that opens at `start` has closed; None when it does not, soon."""
    open_brackets: list[str] = []
    place = start
    while place < min(len(text), start + SPAN_CHARS_MAX):
        mark = text[place]
        if mark in "'\"":
            end = string_end(text, place)
            if end is None:
                return None
            place = end
            continue
        if mark in _CLOSING:
            open_brackets.append(_CLOSING[mark])
        elif mark in ")]}":
            if not open_brackets or open_brackets.pop() != mark:
                return None
            if not open_brackets:
                return place + 1
        place += 1
    return None


def string_end(text: str, start: int) -> int | None:
    """Where the string that opens at `start` has closed, on the same line."""
    quote = text[start]
    place = start + 1
    while place < len(text) and text[place] != "\n":
        if text[place] == "\\":
            place += 2
            continue
        if text[place] == quote:
            return place + 1
        place += 1
    return None


def value_at(text: str, start: int, *, followed: bool = False) -> tuple[str, int] | None:
    """The value that a text writes at a place, as Python, and where it ends; None: there is none.

    `1 + 9 = 10` gives 10, `true` gives True.

    Args:
        text: prose.
        start: where the value begins.
        followed: anything may stand behind it; otherwise only what ends a sentence or goes on.
    """
    while start < len(text) and text[start] in " \t`":
        start += 1
    if computed := _SUM.match(text, start, start + SPAN_CHARS_MAX):
        start = computed.end()
    end = _end_of_value(text, start)
    if end is None or not (followed or _AFTER.match(text, end)):
        return None
    written = text[start:end]
    written = _WORDS.get(written.lower(), written)
    return (written, end) if is_literal(written) else None


def _end_of_value(text: str, start: int) -> int | None:
    if start >= len(text):
        return None
    if text[start] in _CLOSING:
        return bracket_end(text, start)
    if prefix := _PREFIX.match(text, start):
        return string_end(text, prefix.end())
    simple = _SIMPLE.match(text, start)
    return simple.end() if simple else None


def is_literal(written: str) -> bool:
    """Whether a text is a Python value and nothing that would have to be run."""
    try:
        ast.literal_eval(written)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def is_expression(written: str) -> bool:
    """Whether a text is one Python expression."""
    try:
        return bool(parse(f"({written}\n)").body)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def with_words_as_text(call: str) -> str:
    """A call whose bare words, as in `is_happy(abc)`, are taken as the texts they stand for."""
    try:
        tree = ast.parse(call, mode="eval")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return call
    body = tree.body
    if not isinstance(body, ast.Call):
        return call
    names = [node for one in (*body.args, *body.keywords) for node in ast.walk(one)]
    if any(isinstance(node, ast.Call | ast.Lambda | ast.comprehension) for node in names):
        return call
    return ast.unparse(_AsText().visit(tree)) if any(map(_is_bare, names)) else call


def _is_bare(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


class _AsText(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.args = [self.visit(one) for one in node.args]
        node.keywords = [self.visit(one) for one in node.keywords]
        return node

    def visit_Name(self, node: ast.Name) -> ast.Constant:
        known = {"true": True, "false": False, "none": None, "null": None}
        word = node.id.lower()
        return ast.copy_location(ast.Constant(known.get(word, node.id)), node)
