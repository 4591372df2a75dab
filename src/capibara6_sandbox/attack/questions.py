"""Oracles that ask the server itself: whether an attacked sandbox answers, and what others see.

Each yields what is wrong, for people; programs name them beside those of `oracles`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6_sandbox.attack.loss import CALL_S_MAX, LOST
from capibara6_sandbox.attack.output import Output
from capibara6_sandbox.attack.programs import Program
from capibara6_sandbox.attack.remains import FINGERPRINT
from capibara6_sandbox.isolation.runtimes import is_container

# A known difference: docs/adr/0040-container-runtimes.md.
_OF_ITSELF: Final = ("answers", "revives")
_SHARED: Final = "the sandbox itself did not answer: under {name} the agent shares its limits"

Create = Callable[[str], Awaitable[AsyncSandbox]]


@dataclass(slots=True)
class Asking:
    """Whom to ask about one program."""

    program: Program
    sandbox: AsyncSandbox
    output: Output
    template: str
    create: Create
    fingerprints: dict[str, str] = field(default_factory=dict)  # of new sandboxes, by template
    isolation: str = ""  # the container runtime of its sandboxes, if we chose one

    def excuses(self, name: str) -> bool:
        """Note, where so, that no container runtime promises its own sandbox an answer."""
        if name not in _OF_ITSELF or not is_container(self.isolation):
            return False
        self.output.take(f"\n@note {_SHARED.format(name=self.isolation)}\n")
        return True


Question = Callable[[Asking, str], Awaitable[list[str]]]


async def _answers(asking: Asking, _: str) -> list[str]:
    """Whether the sandbox can still be asked, while it burns all it has."""
    async with asyncio.timeout(CALL_S_MAX):
        await asking.sandbox.commands.list()
        await asking.sandbox.files.list("/home")
    return []


async def _revives(asking: Asking, _: str) -> list[str]:
    """Whether the sandbox runs code again, right away or with a new kernel."""
    async with asyncio.timeout(CALL_S_MAX):
        execution = await asking.sandbox.run_code("6 * 7", timeout=CALL_S_MAX)
    if execution.text != "42":
        return [f"the kernel answers {execution.text or execution.error!r} to 6 * 7"]
    return []


async def _says(asking: Asking, text: str) -> list[str]:
    """Whether what the program printed has arrived."""
    return [] if text in asking.output.head else [f"its output lacks {text!r}"]


async def _differs(asking: Asking, _: str) -> list[str]:
    """Whether the program prints other words in another sandbox."""
    other = await asking.create(asking.template)
    try:
        printed = "".join((await other.run_code(asking.program.code)).logs.stdout)
    finally:
        await other.kill()
    same = set(printed.split()[1:]) & set(asking.output.head.split()[1:])
    if len(printed.split()) < 3:
        return ["nothing was drawn in another sandbox"]
    return [f"two sandboxes drew {word}" for word in sorted(same)]


async def _fresh(asking: Asking, _: str) -> list[str]:
    """Whether a new sandbox is like those before the program ran."""
    now = await fingerprint(asking.create, asking.template)
    before = asking.fingerprints[asking.template]
    differing = set(now.splitlines()) ^ set(before.splitlines())
    return [f"new sandboxes changed: {line}" for line in sorted(differing)[:3]]


async def fingerprint(create: Create, template: str) -> str:
    """Return what all new sandboxes of a template have in common, a line each."""
    sandbox = await create(template)
    try:
        return str((await sandbox.commands.run(FINGERPRINT, user="root")).stdout)
    finally:
        await sandbox.kill()


QUESTIONS: Final[dict[str, Question]] = {
    "answers": _answers,
    "differs": _differs,
    "fresh": _fresh,
    "revives": _revives,
    "says": _says,
}


async def ask(asking: Asking) -> list[str]:
    """Return what the program's own questions found."""
    found: list[str] = []
    for oracle in asking.program.oracles:
        name, _, argument = oracle.partition(" ")
        if name not in QUESTIONS:
            continue
        try:
            found += await QUESTIONS[name](asking, argument)
        except LOST as cause:
            if asking.excuses(name):
                continue
            found.append(f"no answer ({name}): {type(cause).__name__}: {str(cause)[:120]}")
    return found
