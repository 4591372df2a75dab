"""What of a text is prose, and what are examples of code in it. Pure."""

import re
from typing import Final

# A doctest with what it prints, a call that begins a line, and a name that is given a literal.
_EXAMPLES: Final = re.compile(
    r"^[ \t]*(?:>>>.*(?:\n(?![ \t]*$|[ \t]*>>>).*)*"
    r"|(?:[Ff]or )?\w+\(.*\).*"
    r"|(?:[Ff]or )?\w+ ?={1,2} ?[\[\d'\"].*)",
    re.MULTILINE,
)
_CALLED: Final = re.compile(r"(?<!\w)([^\W\d]\w+)\(")  # whole names, from their beginnings only
_LIST: Final = re.compile(r"\[[^\[\]]*\]")


def parted(text: str) -> tuple[str, str]:
    """The prose of a text, and its examples."""
    examples = "\n".join(match[0].strip() for match in _EXAMPLES.finditer(text))
    return _EXAMPLES.sub("\n", text), examples


def called(examples: str) -> str:
    """The names that examples call, each once."""
    return " ".join(dict.fromkeys(_CALLED.findall(examples)))


def without_lists(text: str) -> tuple[str, str]:
    """A text without lists in brackets, whose numbers are an example's; and these."""
    return _LIST.sub(" ", text), " ".join(_LIST.findall(text))
