"""What a program still says for itself once its parameters are out of it. Pure."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from capibara6.ace.reuse.replacing import COSMETIC, is_rounding
from capibara6.language.synonyms import concepts
from capibara6.language.words import FILLERS, fold, name_words, stem

_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:[.]\d+)?(?![\w]|[.]\d)")


@dataclass(frozen=True, slots=True)
class Residue:
    """The texts, names and numbers of a program.

    Attributes:
        texts: whole texts, folded.
        stems: of all words in texts, attributes and keywords.
        meanings: concepts of these.
        numbers: all but those about looks and decimals.
    """

    texts: frozenset[str]
    stems: frozenset[str]
    meanings: frozenset[str]
    numbers: frozenset[float]

    @classmethod
    def of(cls, tree: ast.AST) -> "Residue":
        """Look at a program."""
        texts, names, numbers = set[str](), set[str](), set[float]()
        for node in _walk(tree):
            match node:
                case ast.Constant(value=str() as text):
                    texts.add(text)
                case ast.Constant(value=bool()):
                    pass
                case ast.Constant(value=int() | float() as number):
                    numbers.add(float(number))
                case ast.Attribute(attr=name) | ast.keyword(arg=str() as name):
                    names.add(name)
        stems = {stem(word) for text in texts | names for word in name_words(text)}
        meanings = {one for word in stems for one in concepts(word)}
        numbers |= {float(one) for text in texts for one in _NUMBER.findall(text)}
        folded = frozenset(map(fold, texts))
        return cls(folded, frozenset(stems), frozenset(meanings), frozenset(numbers))

    def names(self, *texts: str) -> bool:
        """Whether the program speaks of something, by one of its words or one like it."""
        for word in {word for text in texts for word in name_words(text)} - FILLERS:
            known = stem(word)
            if known in self.stems or concepts(known) & self.meanings:
                return True
        return False

    def follows_from(self, number: float) -> bool:
        """Whether the program holds a number, or one that was perhaps reckoned from it."""
        shares = {number / 100, 1 - number / 100, 100 - number, 1 - number}
        near = {number, number - 1, number + 1, -number, number * 100, number * 2, number / 2}
        return any(abs(one - other) < 1e-9 for one in self.numbers for other in shares | near)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes, but for docstrings and numbers that are about looks or decimals."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.keyword) and child.arg in COSMETIC:
            continue
        if isinstance(node, ast.Call) and is_rounding(node) and isinstance(child, ast.Constant):
            continue
        yield from _walk(child)
