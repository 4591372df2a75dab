"""All templates that clients built, and their builds: by heart and on disk."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from capibara6_sandbox.errors import NotFoundError
from capibara6_sandbox.host.build_records import (
    Build,
    CachedStep,
    OwnTemplate,
    Reason,
    TagRecord,
)
from capibara6_sandbox.host.builds.log import BuildLog
from capibara6_sandbox.host.builds.names import DEFAULT_TAG, Name
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.records import Records
from capibara6_sandbox.host.states import TRANSITIONS, BuildState, check_step

BUILDS_MAX: Final = 50  # of one template, besides those that tags point to
INTERRUPTED: Final = "The server stopped while this build ran. Build it again."

_log = structlog.get_logger()


def now() -> datetime:
    """Return the time, as records hold it."""
    return datetime.now(UTC)


class Library:
    """Templates by id and alias, builds by id, steps by digest.

    Args:
        folder: where they are kept; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._template_records = Records(folder / "templates", OwnTemplate)
        self._build_records = Records(folder / "builds", Build)
        self._step_records = Records(folder / "steps", CachedStep)
        self._logs_folder = folder / "logs"
        self._logs_folder.mkdir(mode=0o700, exist_ok=True)
        self._templates = {record.id: record for record in self._template_records.load()}
        self._builds = {record.id: record for record in self._build_records.load()}
        self._steps = {record.id: record for record in self._step_records.load()}
        self._logs: dict[str, BuildLog] = {}
        for build in self._builds.values():
            if build.status is BuildState.BUILDING:
                self.fail(build, Reason(message=INTERRUPTED))

    @property
    def damaged(self) -> int:
        """How many records of builds did not hold: their layers are not among `layers`."""
        return self._build_records.damaged

    def templates(self, team: str = TEAM_DEFAULT) -> list[OwnTemplate]:
        """Return a team's templates, oldest first."""
        own = [template for template in self._templates.values() if template.team == team]
        return sorted(own, key=lambda template: template.created_at)

    def builds(self, template: OwnTemplate) -> list[Build]:
        """Return the builds of a template, newest first."""
        mine = [build for build in self._builds.values() if build.template_id == template.id]
        return sorted(mine, key=lambda build: build.created_at, reverse=True)

    def find(self, alias_or_id: str, team: str = TEAM_DEFAULT) -> OwnTemplate | None:
        """Return a team's template by its alias or id."""
        own = self.templates(team)
        found = self._templates.get(alias_or_id)
        return found if found in own else next((t for t in own if t.alias == alias_or_id), None)

    def usable(self, alias_or_id: str, team: str) -> OwnTemplate | None:
        """Return a template that a team may start from: its own, or by its id a public one."""
        found = self._templates.get(alias_or_id)
        return found if found is not None and found.public else self.find(alias_or_id, team)

    def by_id(self, template_id: str) -> OwnTemplate | None:
        """Return a template, whosever it is."""
        return self._templates.get(template_id)

    def all_builds(self) -> list[Build]:
        """Return the builds of all templates."""
        return list(self._builds.values())

    def get(self, alias_or_id: str, team: str = TEAM_DEFAULT) -> OwnTemplate:
        """Return a team's template.

        Raises:
            NotFoundError: there is none of this name.
        """
        template = self.find(alias_or_id, team)
        if template is None:
            raise NotFoundError(f"template '{alias_or_id}' not found")
        return template

    def build(self, template_id: str, build_id: str, team: str = TEAM_DEFAULT) -> Build | None:
        """Return a build, if it is of that template, and that of the team."""
        build, template = self._builds.get(build_id), self._templates.get(template_id)
        if build is None or template is None or template.team != team:
            return None
        return build if build.template_id == template_id else None

    def tagged(self, template: OwnTemplate, name: Name) -> Build | None:
        """Return the build that a tag points to, whatever became of it."""
        tag = template.tags.get(name.tag or DEFAULT_TAG)
        return self._builds.get(tag.build_id) if tag else None

    def ready_build(self, template: OwnTemplate, name: Name) -> Build | None:
        """Return the build that sandboxes of a tag start from."""
        build = self.tagged(template, name)
        if build is not None and build.status is BuildState.READY:
            return build
        wanted = name.tag or DEFAULT_TAG
        done = [
            b for b in self.builds(template) if b.status is BuildState.READY and wanted in b.tags
        ]
        return done[0] if done else None

    def add(self, template: OwnTemplate, build: Build) -> None:
        """Keep a new build, and the template with it."""
        self._build_records.write(build)
        self._builds[build.id] = build
        template.build_count += 1
        self.tag(template, build.id, build.tags)
        self._forget_old_builds(template)

    def _forget_old_builds(self, template: OwnTemplate) -> None:
        """Keep of a template's finished builds the newest, and those that tags mean."""
        kept = {tag.build_id for tag in template.tags.values()}
        for tag in template.tags:
            if (ready := self.ready_build(template, Name(template.alias, tag))) is not None:
                kept.add(ready.id)
        for build in self.builds(template)[BUILDS_MAX:]:
            if build.id not in kept and not TRANSITIONS[BuildState][build.status]:
                self._forget_build(build)

    def _forget_build(self, build: Build) -> None:
        self.close_log(build)
        del self._builds[build.id]
        self._build_records.remove(build.id)
        (self._logs_folder / f"{build.id}.jsonl").unlink(missing_ok=True)

    def tag(self, template: OwnTemplate, build_id: str, tags: Iterable[str]) -> None:
        """Let tags point to a build."""
        template.tags |= {tag: TagRecord(build_id=build_id, created_at=now()) for tag in tags}
        self.write(template)

    def write(self, template: OwnTemplate) -> None:
        """Keep a template as it is now."""
        template.updated_at = now()
        self._template_records.write(template)
        self._templates[template.id] = template

    def settle(self, build: Build, status: BuildState) -> None:
        """Take a build to another status, and keep it.

        Raises:
            ConflictError: there is no such step.
            OSError: it could not be written; the build is what it was.
        """
        after = _after(build, status)
        self._build_records.write(build.model_copy(update=after))
        _become(build, after)

    def fail(self, build: Build, reason: Reason) -> None:
        """Let a build have failed, be there room on the disk to write that or not.

        Raises:
            ConflictError: it has ended before.
        """
        after = _after(build, BuildState.ERROR, reason)
        try:
            self._build_records.write(build.model_copy(update=after))
        except OSError as cause:  # the next start finds it unfinished, and says the same
            _log.error("failed_build_not_recorded", build_id=build.id, cause=str(cause))
        _become(build, after)

    def step(self, key: str) -> CachedStep | None:
        """Return what a step made before."""
        return self._steps.get(key)

    def team_of(self, template_id: str) -> str | None:
        """Return whose a template is; None where there is none (any more)."""
        template = self._templates.get(template_id)
        return template.team if template is not None else None

    def keep_step(self, step: CachedStep) -> None:
        """Remember what a step made."""
        self._step_records.write(step)
        self._steps[step.id] = step

    def forget_step(self, key: str) -> None:
        """Forget what a step made. Idempotent."""
        self._steps.pop(key, None)
        self._step_records.remove(key)

    def log(self, build: Build) -> BuildLog:
        """Return a build's log."""
        if build.id not in self._logs:
            log = BuildLog(self._logs_folder / f"{build.id}.jsonl")
            if not TRANSITIONS[BuildState][build.status]:
                return log
            self._logs[build.id] = log
        return self._logs[build.id]

    def close_log(self, build: Build) -> None:
        """Hold a finished build's log on disk only."""
        self._logs.pop(build.id, None)

    def remove(self, template: OwnTemplate) -> None:
        """Forget a template, its builds, their logs and the steps that they ran."""
        for build in self.builds(template):
            self._forget_build(build)
        for step in [s for s in self._steps.values() if s.template_id == template.id]:
            self.forget_step(step.id)
        del self._templates[template.id]
        self._template_records.remove(template.id)

    def layers(self) -> set[str]:
        """Return all layers that something here stands on."""
        builds = {name for build in self._builds.values() for name in build.layers}
        return builds | {name for step in self._steps.values() for name in step.layers}


def _after(build: Build, status: BuildState, reason: Reason | None = None) -> dict[str, Any]:
    """Return what is different of a build after a step."""
    time = now()
    ended = not TRANSITIONS[BuildState][status]
    return {
        "status": check_step("Build", build.id, build.status, status),
        "reason": reason,
        "updated_at": time,
        "finished_at": time if ended else None,
    }


def _become(build: Build, after: dict[str, Any]) -> None:
    for name, value in after.items():
        setattr(build, name, value)


def new_build_id() -> str:
    """Return a build's id, in the form that clients expect."""
    return str(uuid.uuid4())
