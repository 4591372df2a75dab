"""What outlives a server on disk, one small file each: what clients paused, saved, built or stored.

A file is written aside, forced to the disk and renamed, so that there is always a whole one or
none. What is read was written by another run of some version of this server: it is checked, and a
file that does not hold is left where it is and told.
"""

import errno
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capibara6_sandbox.host.build_records import Build, CachedStep, OwnTemplate
from capibara6_sandbox.host.key_records import TEAM_DEFAULT, KeyRecord
from capibara6_sandbox.isolation.limits import Limits
from capibara6_sandbox.network.policy import EVERYTHING, Policy
from capibara6_sandbox.templates.catalog import Environment, Startup, Template

RECORDS_MAX: Final = 10_000

_log = structlog.get_logger()


class TemplateRecord(BaseModel):
    """What a machine starts from."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str
    environment: str
    limits: Limits
    timeout_s: int
    layers: tuple[str, ...] = ()
    user: str = "user"
    workdir: str = ""
    startup: Startup | None = None
    env: tuple[tuple[str, str], ...] = ()
    isolation: str = ""
    alias: str = ""

    def template(self, environment: Environment) -> Template:
        """Return the template again, made of `environment`, which bears the recorded name."""
        return Template(
            self.name,
            environment,
            self.limits,
            self.timeout_s,
            self.layers,
            self.user,
            self.workdir,
            self.startup,
            self.env,
            self.isolation,
            self.alias,
        )

    @classmethod
    def of(cls, template: Template) -> "TemplateRecord":
        """Return the record of a template."""
        return cls(
            name=template.name,
            environment=template.environment.name,
            limits=template.limits,
            timeout_s=template.timeout_s,
            layers=template.layers,
            user=template.user,
            workdir=template.workdir,
            startup=template.startup,
            env=template.env,
            isolation=template.isolation,
            alias=template.alias,
        )


class VolumeMount(BaseModel):
    """A volume in a sandbox."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    volume_id: str
    name: str
    path: str


class VolumeRecord(BaseModel):
    """A volume: a folder that any number of sandboxes share."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    name: str
    token: str  # which opens its contents
    created_at: datetime
    team: str = TEAM_DEFAULT


class SandboxRecord(BaseModel):
    """A paused sandbox, of which only the files are left."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    template: TemplateRecord
    layers: tuple[str, ...]
    timeout_s: int
    metadata: dict[str, str]
    env: dict[str, str]
    allow_public_traffic: bool
    mask_request_host: str = ""
    https_ports: frozenset[int] = frozenset()
    volumes: tuple[VolumeMount, ...] = ()
    policy: Policy = EVERYTHING
    auto_pause: bool
    auto_pause_memory: bool
    auto_resume: bool
    envd_access_token: str
    traffic_access_token: str
    started_at: datetime
    ends_at: datetime
    unsettled: str = ""  # the machine's boot in which its files may not have reached the disk yet
    team: str = TEAM_DEFAULT
    key_id: str = ""


class SecretRecord(BaseModel):
    """A secret. Its value stays out of every text that is made of this."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    name: str
    value: str = Field(repr=False)
    version: int
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    team: str = TEAM_DEFAULT


class SnapshotRecord(BaseModel):
    """A snapshot: files that any number of sandboxes can start from."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    name: str  # "" if it has none
    tag: str
    sandbox_id: str
    template: TemplateRecord
    layers: tuple[str, ...]
    env: dict[str, str]
    created_at: datetime
    team: str = TEAM_DEFAULT


Record = TypeVar(
    "Record",
    SandboxRecord,
    SnapshotRecord,
    VolumeRecord,
    SecretRecord,
    OwnTemplate,
    Build,
    CachedStep,
    KeyRecord,
)


class Records(Generic[Record]):
    """All records of one kind, in a folder of their own."""

    def __init__(self, folder: Path, kind: type[Record]) -> None:
        self._folder = folder
        self._kind: type[Record] = kind
        self.damaged = 0  # files that did not hold when they were loaded
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half in folder.glob(".*"):
            half.unlink(missing_ok=True)  # a server was killed before it was whole

    def load(self) -> Iterator[Record]:
        """Yield every record that holds."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                record = self._kind.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as cause:
                self.damaged += 1
                _log.error("record_damaged", path=str(path), cause=str(cause)[:500])
                continue
            if record.id == path.stem:
                yield record

    def has(self, record_id: str) -> bool:
        """Whether there is a record of this id, be it damaged."""
        return (self._folder / f"{record_id}.json").exists()

    def write(self, record: Record, *, durable: bool = True) -> None:
        """Write a record, whole or not at all.

        Args:
            record: it.
            durable: whether it is to be on the disk, not only beyond this server's end.

        Raises:
            OSError: the disk is full or gone, or there are `RECORDS_MAX` already.
        """
        path = self._folder / f"{record.id}.json"
        if not path.exists() and sum(1 for _ in self._folder.glob("*.json")) >= RECORDS_MAX:
            text = f"{RECORDS_MAX} are kept in {self._folder} already; remove some"
            raise OSError(errno.EDQUOT, text)
        aside = self._folder / f".{record.id}"
        try:
            _write(aside, record.model_dump_json().encode(), durable=durable)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        if durable:
            self._sync()

    def _sync(self) -> None:
        """Force the new name to the disk too."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, record_id: str) -> None:
        """Remove a record. Idempotent."""
        (self._folder / f"{record_id}.json").unlink(missing_ok=True)


def _write(path: Path, content: bytes, *, durable: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
