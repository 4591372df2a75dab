"""Which walls stand around which sandboxes: our own namespaces, or a container runtime's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

from capibara6_sandbox.isolation.limits import Limits
from capibara6_sandbox.isolation.runtimes import KNOWN, NAMESPACES, find_runtime, is_container
from capibara6_sandbox.templates.catalog import Template

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Isolations:
    """What this server was told: one for all templates, and others for some."""

    default: str = NAMESPACES
    by_template: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def parse(cls, words: Iterable[str]) -> Self:
        """Read "RUNTIME" and "TEMPLATE=RUNTIME".

        Raises:
            ValueError: with the word that means nothing, or the program that is not here.
        """
        default, by_template = NAMESPACES, {}
        for word in words:
            template, equals, runtime = word.rpartition("=")
            _check(word, runtime)
            if equals and not template:
                raise ValueError(f"{word!r} names no template; write TEMPLATE=RUNTIME")
            if template:
                by_template[template] = runtime
            else:
                default = runtime
        return cls(default, by_template)

    def settle(self, template: Template) -> Template:
        """Return a template with its isolation; one that it has, as what was paused, it keeps."""
        if template.isolation:
            return template
        return replace(template, isolation=self.by_template.get(template.name, self.default))


def group_limits(template: Template) -> Limits:
    """Return the limits of a sandbox's cgroup, which counts what a runtime itself takes too."""
    if not is_container(template.isolation):
        return template.limits
    tasks = find_runtime(template.isolation).host_tasks
    return replace(template.limits, processes=template.limits.processes * tasks)


def _check(word: str, runtime: str) -> None:
    if runtime != NAMESPACES and find_runtime(runtime).find() is None:
        known = ", ".join((NAMESPACES, *KNOWN))
        program = find_runtime(runtime).program
        raise ValueError(f"{word!r}: there is no program {program!r} here. Known: {known}.")
