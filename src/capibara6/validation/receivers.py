"""Which class an object has whose method is called, where the program itself says so. Pure.

`frame = pd.read_csv("a.csv")` makes `frame` a DataFrame, as long as nothing else is bound to the
name. Everything else is unknown.
"""

import ast
import sys
from collections import Counter
from typing import Final

from capibara6.inventory import Inventory, uses
from capibara6.syntax import nodes

_FRAME: Final = "pandas.DataFrame"
_MAKES: Final = {
    f"pandas.{name}": _FRAME
    for name in [
        "read_csv",
        "read_excel",
        "read_json",
        "read_parquet",
        "read_table",
        "read_feather",
        "read_pickle",
        "read_sql",
        "concat",
        "merge",
        "pivot_table",
        "crosstab",
        "get_dummies",
        "melt",
    ]
}
# With one of these they make something else.
_OTHERWISE: Final = frozenset({"chunksize", "iterator", "sheet_name", "squeeze", "typ", "axis"})
_ALSO_SERIES: Final = frozenset({"pandas.concat", "pandas.read_pickle", "pandas.read_json"})


Place = tuple[int, int, str]  # line and column of a call, from 1, and the method


def receivers(tree: ast.Module, inventory: Inventory) -> dict[Place, str]:
    """The classes of the objects whose methods are called."""
    classes = _variables(tree, inventory)
    found: dict[Place, str] = {}
    for node in nodes(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id in classes:
            place = (node.func.lineno, node.func.col_offset + 1, node.func.attr)
            found[place] = classes[owner.id]
    return found


def _variables(tree: ast.Module, inventory: Inventory) -> dict[str, str]:
    """Names that are bound once, to an object of a known class, without any attribute set on it."""
    bound = Counter(_bound(tree))
    made = {(use.line, use.column): use for use in uses(tree) if use.keywords is not None}
    found: dict[str, str] = {}
    for node in nodes(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        if any(isinstance(inner, ast.Call) for inner in ast.walk(node.value.func)):
            continue  # `a = f().g()` is what `g` makes
        use = made.get((node.value.func.lineno, node.value.func.col_offset + 1))
        target = node.targets[0]
        if use is None or not isinstance(target, ast.Name) or bound[target.id] != 1:
            continue
        if kind := _class_of(use.dotted, use.keywords or (), inventory):
            found[target.id] = kind
    return found


def _class_of(dotted: str, keywords: tuple[str, ...], inventory: Inventory) -> str:
    if dotted in _MAKES and dotted not in _ALSO_SERIES:
        return "" if _OTHERWISE.intersection(keywords) else _MAKES[dotted]
    if dotted.partition(".")[0] in sys.stdlib_module_names:
        return ""  # what classes have from Python's own types is not listed
    entry = inventory.find(dotted)
    return dotted if entry is not None and entry.kind == "class" else ""


def _bound(tree: ast.Module) -> list[str]:
    names = []
    for node in nodes(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names += node.names * 2
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names += [node.value.id] * 2 if isinstance(node.value, ast.Name) else []
        elif isinstance(node, ast.Call) and _sets_attributes(node):
            names += [value.id for value in node.args[:1] if isinstance(value, ast.Name)] * 2
    return names


def _sets_attributes(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in ("setattr", "patch")
