"""Parsing, where Python now and then takes a whole tree for a broken one."""

import ast
from pathlib import Path

import pytest

from capibara6 import syntax


@pytest.fixture
def mismatches(monkeypatch: pytest.MonkeyPatch) -> list[SystemError]:
    """Errors that `ast.parse` raises before it works."""
    parse, errors = ast.parse, [SystemError("AST constructor recursion depth mismatch")]

    def miscounting(source: str) -> ast.Module:
        if errors:
            raise errors.pop()
        return parse(source)

    monkeypatch.setattr(ast, "parse", miscounting)
    return errors


def test_a_miscounted_tree_is_made_again(mismatches: list[SystemError]) -> None:
    assert isinstance(syntax.parse("x = 1").body[0], ast.Assign)
    assert mismatches == []


def test_a_lasting_fault_is_raised(mismatches: list[SystemError]) -> None:
    mismatches.extend([SystemError("broken")] * 10)
    with pytest.raises(SystemError, match="broken"):
        syntax.parse("x = 1")


def test_wrong_syntax_is_told() -> None:
    with pytest.raises(SyntaxError):
        syntax.parse("x =")


def test_nodes_are_those_of_a_walk_but_for_contexts_and_are_kept() -> None:
    source = Path(__file__).read_text()
    tree = syntax.parse(source)
    left_out = ast.Load | ast.Store | ast.Del
    walked = [node for node in ast.walk(tree) if not isinstance(node, left_out)]
    assert syntax.nodes(tree) == walked
    assert syntax.nodes(tree) is syntax.nodes(tree)
