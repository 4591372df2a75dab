"""Signatures as an inventory keeps them: `x,y=,*,z=,**kwargs`, where `=` stands for a default."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """How something is called.

    Attributes:
        parameters: in order; `/` and `*` part them as in Python, `x=` has a default.
    """

    parameters: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Signature":
        """Read the inventory's form."""
        return cls(tuple(part for part in text.split(",") if part))

    @property
    def takes_any_keyword(self) -> bool:
        """Whether there is a `**kwargs`."""
        return any(part.startswith("**") for part in self.parameters)

    @property
    def keywords(self) -> tuple[str, ...]:
        """The names that may be given as keywords, in order."""
        start = self.parameters.index("/") + 1 if "/" in self.parameters else 0
        named = self.parameters[start:]
        return tuple(part.removesuffix("=") for part in named if not part.startswith("*"))

    @property
    def required(self) -> tuple[str, ...]:
        """The names of parameters without a default."""
        return tuple(part for part in self.parameters if part[-1] != "=" and part[0] not in "*/")

    @property
    def positional_max(self) -> int | None:
        """How many values may be given by position; None: any number."""
        count = 0
        for part in self.parameters:
            if part == "*" or part.startswith("**"):
                return count
            if part.startswith("*"):
                return None
            count += part != "/"
        return count

    def refused(self, given: Iterable[str]) -> tuple[str, ...]:
        """Those of the keywords that the call does not take."""
        if self.takes_any_keyword:
            return ()
        known = set(self.keywords)
        return tuple(name for name in given if name not in known)

    def __str__(self) -> str:
        shown = (f"{part}…" if part.endswith("=") else part for part in self.parameters)
        return f"({', '.join(shown)})"
