"""What the pipeline needs from its surroundings. Adapters are chosen in main.py only."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from capibara6.domain.events import Event
from capibara6.domain.executions import (
    Entrant,
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    Repeating,
    ResultItem,
    SandboxReady,
)
from capibara6.domain.playbook import Advice, Reused
from capibara6.domain.programs import Failure, Finding, Program, Sampling
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

    @property
    def at_once(self) -> int:
        """How many answers may be asked for at once."""
        ...

    def write(
        self,
        request: Request,
        route: Route,
        failure: Failure | None = None,
        advice: Sequence[Advice] = (),
        sampling: Sampling | None = None,
    ) -> AsyncIterator[str | Program]:
        """Stream the answer's text in pieces; the last item is the Program.

        `advice` is what the playbook says to the request; recipes need none. `sampling` None: as
        the tier is set; recipes always write the same.

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


class Cookbook(Protocol):
    """Proven programs, as far as they answer later requests without a model."""

    async def found(self, request: Request, route: Route) -> Reused | None:
        """The program that surely answers; None in doubt. A failure of it costs no run."""
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


class Ring(Protocol):
    """Where candidates run side by side, each in a live fork of one sandbox with the data loaded.

    Whatever is neither kept nor dropped is ended with the ring.
    """

    @property
    def note(self) -> str:
        """Why candidates run in fresh sandboxes instead; "" as long as they are live forks."""
        ...

    async def run(self, program: Program, timeout_s: float, check: str = "") -> Entrant:
        """Run a program in a sandbox of its own, and then a Python cell that examines it.

        Cancelling ends the sandbox.

        Raises:
            ProviderError: there was no sandbox. A failing program is data in the entrant.
        """
        ...

    async def keep(self, entrant: Entrant) -> ExecutionResult:
        """Everything that an entrant left, its files too; its sandbox is ended.

        Raises:
            ProviderError: its sandbox was lost.
        """
        ...

    async def drop(self, *sandbox_ids: str) -> None:
        """End the sandboxes of entrants, all at once."""
        ...


class Arena(Protocol):
    """Opens rings."""

    def opened(self, request: ExecutionRequest, loading: str) -> AbstractAsyncContextManager[Ring]:
        """A ring whose sandboxes hold the request's files, and what the cell `loading` loads.

        Raises:
            ProviderError: the machinery failed.
            RequestError: as of `Executor.execute`.
        """
        ...

    def timeout_s(self, request: ExecutionRequest) -> float:
        """The time that a program of this request may take.

        Raises:
            RequestError: as of `Executor.execute`.
        """
        ...


class EventSink(Protocol):
    """A listener. Its failure is logged and never breaks a run."""

    async def handle(self, event: Event) -> None:
        """Take one event; events of a run arrive in order."""
        ...
