"""The inventory itself: look-ups by dotted name. Pure.

The document comes out of a sandbox, so it is read as untrusted data: checked when it is looked at,
and whatever is not of the form is as good as not there.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from capibara6.inventory.signatures import Signature

FORMAT: Final = 1
_CLOSE_MAX: Final = 3
_LIKENESS_MIN: Final = 0.6
_PART_MIN: Final = 3
_DEPTH_MAX: Final = 12
_KINDS: Final = {"m": "module", "c": "class", "f": "function", "v": "value"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands behind a dotted name.

    Attributes:
        kind: "module" | "class" | "function" | "value".
        target: of a module or class, its own name, such as `pandas.core.frame.DataFrame`.
        signature: of a function, method or class; None: not known.
    """

    kind: str
    target: str = ""
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A dotted name that is not there: the first part that its owner does not have.

    Attributes:
        certain: False where the owner makes up attributes as it is asked.
    """

    owner: str
    name: str
    owner_kind: str  # "module" | "class"
    certain: bool


class Inventory:
    """Names, signatures and versions.

    Args:
        document: as `scan` writes it.

    Raises:
        ValueError: it is no such document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        if document.get("format") != FORMAT:
            raise ValueError(f"no inventory of format {FORMAT}")
        self._modules = _table(document, "modules")
        self._classes = _table(document, "classes")
        self._owners = _table(document, "distributions")
        versions = _table(document, "versions")
        self.versions: dict[str, str] = {str(name): str(one) for name, one in versions.items()}
        self.python = str(document.get("python", ""))
        self._by_name = cache(self._classes_named)

    def version_of(self, module: str) -> tuple[str, str] | None:
        """Distribution and version that a module comes from; None: not one that is listed."""
        owners = self._owners.get(module.partition(".")[0])
        name = owners[0] if isinstance(owners, list) and owners else ""
        return (name, self.versions[name]) if name in self.versions else None

    def is_installed(self, module: str) -> bool:
        """Whether the top of a dotted name can be imported, as far as it is listed."""
        top = module.partition(".")[0]
        return top in self._owners or top in self._modules

    def find(self, dotted: str) -> Entry | None:
        """What a dotted name such as `numpy.linalg.norm` or `pandas.DataFrame.map` stands for."""
        found = self._walk(dotted)
        return found if isinstance(found, Entry) else None

    def missing(self, dotted: str) -> Missing | None:
        """The first part of a dotted name that is not there.

        None when all of it is, or when nothing can be said: another package, an attribute of a
        value.
        """
        found = self._walk(dotted)
        return found if isinstance(found, Missing) else None

    def members(self, dotted: str) -> tuple[str, ...]:
        """The public names of a module or class, in alphabetical order."""
        entry = self.find(dotted)
        if entry is None:
            return ()
        if entry.kind == "module":
            return tuple(sorted(self._names(entry.target)))
        return tuple(sorted(self._members(entry.target))) if entry.kind == "class" else ()

    def close(self, owner: str, name: str) -> tuple[str, ...]:
        """Up to three public names of a module or class that resemble one, closest first."""
        known = {member.lower(): member for member in self.members(owner)}
        wanted = name.lower()
        close = difflib.get_close_matches(wanted, known, _CLOSE_MAX, _LIKENESS_MIN)
        # "map" for "applymap", "simpson" for "simps": parts, which likeness alone may not find.
        parts = [one for one in known if len(one) >= _PART_MIN and (one in wanted or wanted in one)]
        parts.sort(key=lambda one: abs(len(one) - len(wanted)))
        chosen = [*close[:_CLOSE_MAX], *(one for one in parts if one not in close)]
        return tuple(known[one] for one in chosen[:_CLOSE_MAX])

    def classes_named(self, name: str) -> tuple[str, ...]:
        """Classes by their short name, as errors name them: `DataFrame`; shortest path first."""
        return self._by_name(name)

    def _classes_named(self, name: str) -> tuple[str, ...]:
        found = [one for one in self._classes if one.rpartition(".")[2] == name]
        return tuple(sorted(found, key=lambda one: (one.count("."), one)))

    def _walk(self, dotted: str) -> Entry | Missing | None:
        parts = dotted.split(".")[:_DEPTH_MAX]
        owner, _, last = dotted.rpartition(".")
        if dotted in self._classes:
            return self._class(dotted)
        if owner in self._classes:
            return self._step(self._class(owner), owner, last)
        if parts[0] not in self._modules:
            return None
        at = Entry("module", parts[0])
        for number, name in enumerate(parts[1:], 1):
            step = self._step(at, ".".join(parts[:number]), name)
            if not isinstance(step, Entry):
                return step
            at = step
        return at

    def _step(self, at: Entry, owner: str, name: str) -> Entry | Missing | None:
        if at.kind == "module":
            names = self._names(at.target)
            if name in names:
                return self._entry(names[name])
            if f"{at.target}.{name}" in self._modules:
                return Entry("module", f"{at.target}.{name}")
            listed = at.target in self._modules
            return Missing(owner, name, "module", self._is_whole(at.target)) if listed else None
        if at.kind == "class":
            members = self._members(at.target)
            if name in members:
                return self._entry(members[name])
            dynamic = self._classes.get(at.target, {}).get("dynamic", True)
            return Missing(owner, name, "class", not dynamic) if members else None
        return None

    def _entry(self, code: object) -> Entry:
        text = code if isinstance(code, str) else "v"
        kind, rest = _KINDS.get(text[:1], "value"), text[1:]
        if kind == "class":
            return self._class(rest)
        if kind == "function":
            return Entry(kind, "", None if rest == "?" else Signature.parse(rest))
        return Entry(kind, rest if kind == "module" else "")

    def _class(self, name: str) -> Entry:
        init = self._classes.get(name, {}).get("init")
        return Entry("class", name, Signature.parse(init) if isinstance(init, str) else None)

    def _names(self, module: str) -> Mapping[str, Any]:
        names = self._modules.get(module, {}).get("names")
        return names if isinstance(names, dict) else {}

    def _is_whole(self, module: str) -> bool:
        """Whether a module has no names but those listed.

        A module's `__getattr__` says which names are gone or loads submodules; those of packages
        that were walked are listed.
        """
        return bool(self._names(module))

    def _members(self, name: str) -> dict[str, Any]:
        own = self._classes.get(name, {})
        found: dict[str, Any] = {}
        for one in [*reversed(own.get("mro") or ()), name]:
            members = self._classes.get(one, {}).get("members")
            found.update(members if isinstance(members, dict) else {})
        return found


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    if not isinstance(found, dict):
        raise ValueError(f"an inventory without {key!r}")  # noqa: TRY004 - as any other fault of it
    return found
