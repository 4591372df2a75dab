"""Why a suite's own solution fails in our sandboxes: by what it did, never by its task. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from capibara6.store import ModelSample

_NETWORK: Final = "it needs the network, which sandboxes have not"
_MEMORY: Final = "it needs more memory than its sandbox has"
_OF_KINDS: Final = {
    "timeout": "it did not end in time",
    "out_of_memory": _MEMORY,
    "memory": _MEMORY,
    "network_denied": _NETWORK,
}
_NAMED_MAX: Final = 3


def reason(sample: ModelSample) -> str:
    """Why a solution failed, in words that are the same for the same reason.

    What the sandbox saw comes first: a package that is missing, somebody outside who was looked
    for, a limit. Otherwise an installed package behaves in another way than the suite's did: the
    one in which the exception was raised, or those that the program uses.
    """
    if sample.missing:
        return f"package {sample.missing.partition('.')[0]} is not in the template"
    if sample.signals.get("outside") is True:
        return _NETWORK
    if sample.kind in _OF_KINDS:
        return _OF_KINDS[sample.kind]
    versions = sample.signals.get("versions")
    used = dict(versions) if isinstance(versions, dict) else {}
    package = str(sample.signals.get("package", ""))
    if package in used:
        used = {package: used[package]}
    if not used:
        return f"{sample.error.partition(':')[0]} ({sample.kind}) without any package"
    named = " or ".join(f"{name} {version}" for name, version in list(used.items())[:_NAMED_MAX])
    if sample.kind == "attribute_removed":
        return f"removed in {named}"
    wrong = "gives other values" if sample.kind == "assertion" else "refuses what older ones take"
    return f"{named} {wrong}"


def reasons(failed: Iterable[ModelSample]) -> dict[str, list[str]]:
    """The tasks of each reason, the most frequent reason first."""
    found: dict[str, list[str]] = {}
    for sample in failed:
        found.setdefault(reason(sample), []).append(sample.task)
    counts = Counter({name: len(tasks) for name, tasks in found.items()})
    return {name: found[name] for name, _ in counts.most_common()}
