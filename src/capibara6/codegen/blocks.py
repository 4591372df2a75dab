"""Fenced blocks of Markdown, as models write them (CommonMark 0.31 §4.5, more lenient). Pure."""

import re
import textwrap
from dataclasses import dataclass

_OPENING = re.compile(r"^(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    tag: str  # first word after the fence, lower case; "" without one
    code: str
    closed: bool  # False: the text ended inside it


def fenced_blocks(text: str) -> list[Block]:
    """All fenced blocks in order; a block that the text leaves open is the last one."""
    blocks: list[Block] = []
    lines: list[str] = []
    fence, tag = "", ""
    for line in text.split("\n"):
        if fence:
            last, closed = _closing(line, fence)
            if closed:
                lines += [last] if last else []
                blocks.append(_block(tag, lines, closed=True))
                fence, lines = "", []
            else:
                lines.append(line)
        elif opening := _OPENING.match(line):
            fence, tag = opening["fence"], _tag_of(opening["info"])
    if fence:
        blocks.append(_block(tag, lines, closed=False))
    return blocks


def _closing(line: str, fence: str) -> tuple[str, bool]:
    """The code in front of a closing fence, which some models put at the end of the last line."""
    stripped = line.strip()
    if len(stripped) >= len(fence) and set(stripped) == {fence[0]}:
        return "", True
    code = line.rstrip().removesuffix(fence)
    is_text = any(mark in code for mark in ("#", "'" * 3, '"' * 3, fence[0]))
    return code, code != line.rstrip() and not is_text


def _tag_of(info: str) -> str:
    """`python`, `{python}`, `python title="x"` and `{.python .cell}` all mean python."""
    words = re.findall(r"[\w+#-]+", info)
    return words[0].lower() if words else ""


def _block(tag: str, lines: list[str], *, closed: bool) -> Block:
    # A fence inside a list is indented, and so is its program.
    return Block(tag, textwrap.dedent("\n".join(lines)), closed)
