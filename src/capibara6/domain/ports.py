"""What the pipeline needs from its surroundings. Adapters are chosen in main.py only."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from capibara6.domain.events import Event
from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    Repeating,
    ResultItem,
    SandboxReady,
)
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Failure, Finding, Program
from capibara6.domain.requests import Request, Route


class Router(Protocol):
    """Decides task, template and tier for a request."""

    def route(self, request: Request, tiers: Sequence[str]) -> Route:
        """Choose among `tiers` (cheapest first, "recipe" among them). Pure and quick."""
        ...


class ProgramWriter(Protocol):
    """Writes programs: one tier of models, or the recipes."""

    @property
    def tier(self) -> str:
        """The tier's name, as in e2b_config.json; "recipe" for the recipes."""
        ...

    def write(
        self,
        request: Request,
        route: Route,
        failure: Failure | None = None,
        advice: Sequence[Advice] = (),
    ) -> AsyncIterator[str | Program]:
        """Stream the answer's text in pieces; the last item is the Program.

        `advice` is what the playbook says to the request; recipes need none.

        Raises:
            ModelError: the endpoint failed or its answer holds no program.
            RequestError: a recipe cannot be applied to this request.
        """
        ...


class Memory(Protocol):
    """What was learnt, as far as it helps with a request."""

    async def recall(
        self, request: Request, route: Route, tier: str, failure: Failure | None = None
    ) -> tuple[Advice, ...]:
        """The advice for an attempt of a tier, best first. A failure of it costs no run."""
        ...


class Validator(Protocol):
    """Checks a program before it runs. Advice and saving, never the security boundary."""

    async def validate(self, program: Program, files: Sequence[str] = ()) -> tuple[Finding, ...]:
        """Return what is certainly wrong; an empty tuple means the program may run.

        Args:
            program: what would run.
            files: paths, inside the sandbox, of the data files it would get.
        """
        ...


class Executor(Protocol):
    """Runs programs in sandboxes, through the published E2B client."""

    def execute(
        self, request: ExecutionRequest
    ) -> AsyncIterator[SandboxReady | OutputChunk | ResultItem | Repeating | ExecutionResult]:
        """Create a sandbox, run, collect, kill. The last item is the ExecutionResult.

        Closing the iterator early interrupts the program and kills the sandbox.

        Raises:
            ProviderError: the machinery failed. A failing program is data in the result.
            RequestError: unknown template or language, or something too large.
        """
        ...


class EventSink(Protocol):
    """A listener. Its failure is logged and never breaks a run."""

    async def handle(self, event: Event) -> None:
        """Take one event; events of a run arrive in order."""
        ...
