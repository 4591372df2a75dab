"""Orders for builds: taken with a name, tags and limits, and given up where nobody begins them."""

import asyncio
import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from capibara6_sandbox.errors import ConflictError, TooManySandboxesError
from capibara6_sandbox.host.build_records import Build, OwnTemplate, Reason
from capibara6_sandbox.host.builds.library import Library, new_build_id, now
from capibara6_sandbox.host.builds.limits import check_limits
from capibara6_sandbox.host.builds.names import DEFAULT_TAG, clean_tags, parse_name
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.states import BuildState
from capibara6_sandbox.templates.catalog import TEMPLATES

_RUNNING_MAX: Final = 20
_ORDER_LIFE: Final = timedelta(hours=1)
_SUPERSEDED: Final = "The build was canceled because it was superseded by a newer one."
_NEVER_BEGUN: Final = "The build was ordered and not begun within an hour."
_ID_ALPHABET: Final = string.ascii_lowercase + string.digits


class Orders(ABC):
    """Takes orders."""

    _running: dict[str, asyncio.Task[None]]  # builds that were begun

    @property
    @abstractmethod
    def library(self) -> Library:
        """What was built, and is ordered."""

    def order(
        self,
        text: str,
        tags: Sequence[str],
        cpu_count: int | None = None,
        memory_mb: int | None = None,
        disk_free_mb: int | None = None,
        team: str = TEAM_DEFAULT,
    ) -> tuple[OwnTemplate, Build]:
        """Take an order for a build, to be started with `begin`.

        Args:
            text: a name, perhaps with a tag.
            tags: further ones.
            cpu_count: of its sandboxes; None for the default, as of the next two.
            memory_mb: of its sandboxes.
            disk_free_mb: what its sandboxes may write at least.
            team: whose it is.

        Raises:
            BadRequestError: a name, tag or limit that cannot be.
            ConflictError: the name is one of this server's own templates.
            TooManySandboxesError: too many builds are unfinished.
        """
        name = parse_name(text)
        if name.alias in TEMPLATES:
            raise ConflictError(f"Alias '{name.alias}' is already used")
        wanted = clean_tags([*([name.tag] if name.tag else []), *tags]) or [DEFAULT_TAG]
        cpus, memory = check_limits(cpu_count, memory_mb)
        template = self.library.find(name.alias, team) or _new_template(name.alias, team)
        self._supersede(template, wanted)
        self._give_up_old_orders()
        self._check_room()
        build = Build(
            id=new_build_id(),
            template_id=template.id,
            tags=wanted,
            cpu_count=cpus,
            memory_mb=memory,
            disk_free_mb=max(disk_free_mb or 0, memory // 2),
            created_at=now(),
            updated_at=now(),
        )
        self.library.add(template, build)
        return template, build

    def _supersede(self, template: OwnTemplate, tags: list[str]) -> None:
        """Give up the builds that were ordered for the same tags, and not begun."""
        for build in self.library.builds(template):
            if build.status is BuildState.WAITING and set(build.tags) & set(tags):
                self.library.fail(build, Reason(message=_SUPERSEDED))

    def _give_up_old_orders(self) -> None:
        for build in self.library.all_builds():
            if build.status is BuildState.WAITING and now() - build.created_at > _ORDER_LIFE:
                self.library.fail(build, Reason(message=_NEVER_BEGUN))

    def _check_room(self) -> None:
        if len(self._running) >= _RUNNING_MAX:
            raise TooManySandboxesError(
                "you have reached the maximum number of concurrent template builds "
                f"({_RUNNING_MAX}). Please wait for existing builds to complete."
            )


def _new_template(alias: str, team: str) -> OwnTemplate:
    identifier = "".join(secrets.choice(_ID_ALPHABET) for _ in range(20))
    return OwnTemplate(id=identifier, alias=alias, created_at=now(), updated_at=now(), team=team)
