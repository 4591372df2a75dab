"""Trying all behaviours, one after another, and what came of each."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import httpx
from e2b.exceptions import SandboxException
from e2b.sandbox.commands.command_handle import CommandExitException

from capibara6.selfcheck import cells, commands, files, lives, walls
from capibara6.selfcheck.differences import known_difference
from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe

BEHAVIOURS: Final = (
    *cells.BEHAVIOURS,
    *files.BEHAVIOURS,
    *commands.BEHAVIOURS,
    *lives.BEHAVIOURS,
    *walls.BEHAVIOURS,
)
BEHAVIOUR_S_MAX: Final = 120.0

Status = Literal["ok", "differs", "not offered"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one behaviour."""

    behaviour: str
    status: Status
    required: bool
    wall_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """All behaviours of one provider."""

    provider: str
    runtime: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differs that is required."""
        return not any(o.status == "differs" and o.required for o in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {
            "provider": self.provider,
            "runtime": self.runtime,
            "passed": self.passed,
            "behaviours": [asdict(outcome) for outcome in self.outcomes],
        }


async def check_behaviours(
    provider: str,
    options: dict[str, Any],
    template: str,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> SelfCheck:
    """Try every behaviour; one that fails hides no other.

    Args:
        provider: "embedded" or "e2b".
        options: keyword arguments that point the SDK at it.
        template: what sandboxes are made of.
        tell: is told of each outcome at once.

    Raises:
        SandboxException, httpx.HTTPError: there is not one sandbox to be had.
    """
    probe = Probe(options, template)
    try:
        seen = await probe.runtime()
        # Another server of ours may be the provider "e2b"; its runtimes show inside.
        own = provider != "e2b" or seen in ("gvisor", "container")
        runtime = seen if own else "e2b"
        outcomes = []
        async for outcome in _try_all(probe, runtime):
            tell(outcome)
            outcomes.append(outcome)
    finally:
        await probe.close()
    return SelfCheck(provider, runtime, tuple(outcomes))


async def _try_all(probe: Probe, runtime: str) -> AsyncIterator[Outcome]:
    for behaviour in BEHAVIOURS:
        begun_s = time.monotonic()
        difference = await try_behaviour(behaviour, probe)
        wall_s = round(time.monotonic() - begun_s, 3)
        known = known_difference(runtime, behaviour.name) if difference else ""
        status: Status = "not offered" if known else "differs" if difference else "ok"
        reason = known or difference
        yield Outcome(behaviour.name, status, behaviour.required, wall_s, reason)


async def try_behaviour(behaviour: Behaviour, probe: Probe) -> str:
    """Try one behaviour; return what was otherwise, or ""."""
    try:
        async with asyncio.timeout(BEHAVIOUR_S_MAX):
            await behaviour.attempt(probe)
    except DiffersError as difference:
        return str(difference)
    except TimeoutError:
        return f"no end within {BEHAVIOUR_S_MAX:.0f} s"
    except CommandExitException as failure:
        return f"a command failed ({failure.exit_code}): {failure.stderr or failure.stdout}"[:500]
    except (SandboxException, httpx.HTTPError, OSError) as failure:
        return f"{type(failure).__name__}: {failure}"[:500]
    return ""
