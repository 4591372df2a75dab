"""Finding the program in a model's answer. Pure; knows nothing of endpoints.

Models answer with prose around the program, with several blocks (steps, alternatives, the old
program quoted before the new one), with their thoughts, without a fence, or without its end.
"""

import re
from dataclasses import dataclass
from typing import Final

from capibara6.codegen.blocks import Block, fenced_blocks
from capibara6.codegen.cells import defined_names, is_program, parsed, undefined_names

_PYTHON: Final = frozenset({"python", "py", "python3", "ipython", "ipython3", "pycon", "tool_code"})
_LANGUAGES: Final = {
    **dict.fromkeys(_PYTHON, "python"),
    **dict.fromkeys(("javascript", "js", "node", "nodejs", "mjs"), "javascript"),
    **dict.fromkeys(("bash", "sh", "shell", "zsh"), "bash"),
}
_FULL_VERSION_SHARE: Final = 0.6  # of the longest block: a later block so long is another version

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.I)
_THOUGHT_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.I)
_INSTALL = re.compile(r"\s*(?:[$>]\s*)?(?:sudo\s+)?(?:pip3?|conda|uv|apt(?:-get)?|npm)\s[^\n]*")
_IMPORT_LINE = re.compile(r"^(?:import|from)\s+\w", re.MULTILINE)
_PARAGRAPHS_MAX: Final = 40  # tried, when prose follows a program without a fence


@dataclass(frozen=True, slots=True)
class ExtractedProgram:
    """A program found in an answer."""

    code: str
    language: str
    complete: bool  # False: its block was still open where the answer ends


def extract_program(answer: str) -> ExtractedProgram | None:
    """Find the program that the answer means; None when there is none.

    Thoughts are ignored. Of several blocks, Python wins; steps that build on one another are
    joined; of whole versions the last one counts. An answer without any fence counts when it, or
    what follows its first import, is Python.
    """
    text = without_thoughts(answer.replace("\r\n", "\n"))
    blocks = [block for block in fenced_blocks(text) if block.code.strip()]
    by_language: dict[str, list[Block]] = {}
    for block in blocks:
        if language := _language_of(block):
            by_language.setdefault(language, []).append(block)
    for language in ("python", "javascript", "bash"):
        if found := by_language.get(language):
            return _chosen(found, language)
    return None if blocks else _unfenced(text)


def without_thoughts(text: str) -> str:
    """The answer without `<think>` sections, closed, unclosed or cut at their start."""
    text = _THOUGHT.sub("", text)
    ends = list(_THOUGHT_END.finditer(text))
    return text[ends[-1].end() :] if ends else text


def _language_of(block: Block) -> str | None:
    """The language a block is to be run in; None when it is no program."""
    if not block.tag:
        return "python" if is_program(block.code) else None
    language = _LANGUAGES.get(block.tag)
    if language == "bash" and _only_installs(block.code):
        return None
    return language


def _only_installs(code: str) -> bool:
    lines = [line for line in code.splitlines() if line.strip()]
    return all(_INSTALL.fullmatch(line) or line.lstrip().startswith("#") for line in lines)


def _chosen(blocks: list[Block], language: str) -> ExtractedProgram:
    block = _chosen_python(blocks) if language == "python" else max(blocks, key=_size)
    return ExtractedProgram(block.code.strip("\n") + "\n", language, block.closed)


def _chosen_python(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    whole = [block for block in blocks if parsed(block.code) is not None] or blocks
    if _are_steps(whole):
        code = "\n\n".join(block.code.strip("\n") for block in whole)
        return Block("python", code, all(block.closed for block in whole))
    full_size = _FULL_VERSION_SHARE * max(map(_size, whole))
    return [block for block in whole if _size(block) >= full_size][-1]


def _are_steps(blocks: list[Block]) -> bool:
    """Whether the longest block, or the last, needs names that only an earlier one defines."""
    longest = max(range(len(blocks)), key=lambda index: _size(blocks[index]))
    return any(_builds_on_earlier(blocks, index) for index in {longest, len(blocks) - 1})


def _builds_on_earlier(blocks: list[Block], index: int) -> bool:
    missing = undefined_names(blocks[index].code)
    return any(missing & defined_names(earlier.code) for earlier in blocks[:index])


def _size(block: Block) -> int:
    return len(block.code.strip())


def _unfenced(text: str) -> ExtractedProgram | None:
    """A program without a fence: the whole answer, or its first import up to where prose begins."""
    whole = text.strip()
    if is_program(whole):
        return ExtractedProgram(whole + "\n", "python", complete=True)
    start = _IMPORT_LINE.search(whole)
    if start is None:
        return None
    paragraphs = re.split(r"\n\s*\n", whole[start.start() :])[:_PARAGRAPHS_MAX]
    for count in range(len(paragraphs), 0, -1):
        code = "\n\n".join(paragraphs[:count])
        if is_program(code):
            return ExtractedProgram(code.strip() + "\n", "python", complete=True)
    return None
