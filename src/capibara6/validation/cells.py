"""Programs as IPython reads them: leading indentation, pasted prompts, magics. Pure.

Source: IPython 9, `core.inputtransformer2` (leading_indent, classic_prompt, ipython_prompt).
"""

import ast
import json
import re
import warnings
from dataclasses import dataclass
from typing import Any, Final

from capibara6.syntax import parse

PARSED_CHARS_MAX: Final = 256 * 1024  # parsing more would keep other runs waiting
_PROMPTS: Final = (
    re.compile(r"(?:>>>|\.\.\.)(?: |$)"),
    re.compile(r"In \[\d+\]: |\s*\.{3,}: ?"),
)
_MAGIC_LINE = re.compile(
    r"^([ \t]*+)(?:[%!?/,;][^\n]*|[^\n#'\"]*[\w)\]]\?{1,2}[ \t]*)$", re.MULTILINE
)
_MAGIC_VALUE = re.compile(r"^([ \t]*+[\w, \t]++=[ \t]*+)[%!][^\n]*$", re.MULTILINE)
_AUTOMAGIC = re.compile(
    r"(?:alias|bookmark|cat|cd|clear|conda|cp|cpaste|debug|dhist|dirs|doctest_mode|edit|env|"
    r"history|hist|ldir|less|lf|lk|ll|load|load_ext|logstart|ls|lsmagic|lx|magic|man|matplotlib|"
    r"mkdir|more|mv|page|pastebin|pdb|pdoc|pfile|pinfo|pip|popd|pprint|precision|prun|psearch|"
    r"psource|pushd|pwd|pycat|pylab|quickref|recall|rehashx|reload_ext|reset|rm|rmdir|run|save|"
    r"set_env|store|sx|system|tb|time|timeit|unalias|unload_ext|uv|who|who_ls|whos|writefile|"
    r"xdel|xmode)(?:\s+[^=\s(].*)?"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A program as a notebook cell.

    Attributes:
        source: without common indentation and prompts.
        removed: per line, how many characters were taken from its beginning.
    """

    source: str
    removed: tuple[int, ...]

    def column(self, line: int, column: int) -> int:
        """A column of the source (from 1) as one of the program."""
        return column + (self.removed[line - 1] if 0 < line <= len(self.removed) else 0)

    def as_notebook(self) -> str:
        """The cell as an .ipynb document, so that checkers know its magics and top-level await."""
        cell: dict[str, Any] = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": self.source,
        }
        metadata = {"language_info": {"name": "python"}}
        document = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(document)


def cell_of(code: str) -> Cell:
    """Read a program as IPython would."""
    lines = code.replace("\r\n", "\n").split("\n")
    removed = [0] * len(lines)
    _remove_indent(lines, removed)
    first = next((line for line in lines if line.strip()), "")
    for prompt in _PROMPTS:
        if prompt.match(first):
            _remove_prompts(lines, removed, prompt)
    return Cell("\n".join(lines), tuple(removed))


def is_automagic(cell: Cell) -> bool:
    """Whether the program is a single line like `pip install x`, which IPython takes as a magic."""
    return _AUTOMAGIC.fullmatch(cell.source.strip()) is not None


def magic_lines(cell: Cell) -> list[str]:
    """The lines that IPython runs as magics, from their `%` on."""
    return [line.strip() for line in cell.source.split("\n") if line.lstrip().startswith("%")]


def tree_of(cell: Cell) -> ast.Module | None:
    """The cell's syntax tree, with `pass` for magics; None where it cannot be parsed here."""
    if len(cell.source) > PARSED_CHARS_MAX:
        return None
    source = _MAGIC_VALUE.sub(r"\1None", _MAGIC_LINE.sub(r"\1pass", cell.source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are the program's own affair
            return parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _remove_indent(lines: list[str], removed: list[int]) -> None:
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    for index, line in enumerate(lines):
        if indent and line.startswith(indent):
            lines[index] = line[len(indent) :]
            removed[index] += len(indent)


def _remove_prompts(lines: list[str], removed: list[int], prompt: re.Pattern[str]) -> None:
    for index, line in enumerate(lines):
        if match := prompt.match(line):
            lines[index] = line[match.end() :]
            removed[index] += match.end()
