"""What a program does with packages, as short names that lessons speak of. Pure.

`numpy.trapz` for a use; `pandas.read_csv(squeeze=)` for a keyword given; `.resample('M')` and
`.fillna(method='ffill')` for short texts given. A method of an object of unknown class begins with
a full stop.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from capibara6.inventory import Use, uses
from capibara6.syntax import parse

CODE_CHARS_MAX: Final = 60_000  # a longer program would keep other runs waiting
_ALIASES: Final = {
    "numpy": "np",
    "pandas": "pd",
    "matplotlib.pyplot": "plt",
    "matplotlib": "mpl",
    "seaborn": "sns",
    "plotly.express": "px",
    "statsmodels.api": "sm",
}
_MODULE = re.compile(r"^(?:matplotlib\.pyplot|plotly\.express|statsmodels\.api|[a-z]\w*)(?=[.(]|$)")


def signatures(code: str) -> dict[str, tuple[int, ...]]:
    """The uses in a Python program, with the lines in which they stand; none if it is broken."""
    tree = tree_of(code)
    found: dict[str, list[int]] = {}
    for use in uses(tree) if tree else ():
        for name in _names(use):
            found.setdefault(name, []).append(use.line)
    return {name: tuple(lines) for name, lines in found.items()}


def tree_of(code: str) -> ast.Module | None:
    """The syntax tree of a program; None when it has none, or is too long to be looked at."""
    if len(code) > CODE_CHARS_MAX:
        return None
    try:
        return parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _names(use: Use) -> Iterator[str]:
    yield use.dotted
    for keyword in use.keywords or ():
        yield f"{use.dotted}({keyword}=)"
    for keyword, text in use.texts:
        yield f"{use.dotted}({keyword}={text!r})" if keyword else f"{use.dotted}({text!r})"


def words_of(signature: str) -> tuple[str, ...]:
    """The words by which an error would name a use: its last name, its keyword, its text."""
    name, _, given = signature.partition("(")
    found = re.findall(r"[\w-]+", given)
    return tuple(found) or (name.rpartition(".")[2],)


def base_of(signature: str) -> str:
    """The use without what it is given."""
    return signature.partition("(")[0]


def shown(signature: str) -> str:
    """As people write it: `np.trapz`, `pd.read_csv(squeeze=…)`."""
    text = signature.replace("=)", "=…)")
    module = _MODULE.match(text)
    alias = _ALIASES.get(module[0]) if module else None
    return f"{alias}{text[len(module[0]) :]}" if module and alias else text
