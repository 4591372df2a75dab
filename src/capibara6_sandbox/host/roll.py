"""The roll: all sandboxes of a server by id, running and paused."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from capibara6_sandbox.errors import NotFoundError, TooManySandboxesError
from capibara6_sandbox.host.sandbox import Sandbox


class Roll:
    """Sandboxes as clients ask for them."""

    def __init__(self) -> None:
        self._sandboxes: dict[str, Sandbox] = {}
        self._creating: Counter[str] = Counter()  # asked for, and not there yet, by key

    @contextmanager
    def _place(self, key_id: str, sandboxes_max: int, of_key_max: int | None) -> Iterator[None]:
        """Count one more that is being created with a key.

        Raises:
            TooManySandboxesError: the server's limit is reached, or the key's.
        """
        running = Counter(s.request.key_id for s in self._sandboxes.values() if s.has_machine)
        if running.total() + self._creating.total() >= sandboxes_max:
            raise TooManySandboxesError(
                f"{running.total()} sandboxes run, which is this server's limit. "
                "Kill one, or raise --max-sandboxes."
            )
        if of_key_max and running[key_id] + self._creating[key_id] >= of_key_max:
            raise TooManySandboxesError(
                "you have reached the maximum number of concurrent E2B sandboxes "
                f"({of_key_max}). Kill one, or have your key's limit raised."
            )
        self._creating[key_id] += 1
        try:
            yield
        finally:
            self._creating[key_id] -= 1

    def find(self, sandbox_id: str, team: str | None = None) -> Sandbox:
        """Return a sandbox, running or paused; with a team, only if it is that team's.

        Raises:
            NotFoundError: there is none of this id.
        """
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or team not in (None, sandbox.request.team):
            raise unknown_sandbox(sandbox_id)
        return sandbox

    def get(self, sandbox_id: str, team: str | None = None) -> Sandbox:
        """Return a sandbox that runs, as of `find`.

        Raises:
            NotFoundError: there is none of this id, or it is paused.
        """
        sandbox = self.find(sandbox_id, team)
        if sandbox.visible_state != "running":
            raise NotFoundError(f"Sandbox {sandbox_id} is paused. Connect to it to resume it.")
        return sandbox

    def all(self, team: str | None = None) -> Iterable[Sandbox]:
        """Return the sandboxes, running and paused, of a team or (None) of all, oldest first."""
        found = list(self._sandboxes.values())
        return found if team is None else [s for s in found if s.request.team == team]

    @property
    def busy(self) -> bool:
        """Whether a sandbox runs, or is being created."""
        running = any(sandbox.visible_state == "running" for sandbox in self._sandboxes.values())
        return running or self._creating.total() > 0


def unknown_sandbox(sandbox_id: str) -> NotFoundError:
    """Return the error for an id that no sandbox has, in E2B's words."""
    return NotFoundError(f"Sandbox \"{sandbox_id}\" doesn't exist or you don't have access to it")
