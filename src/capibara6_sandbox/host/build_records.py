"""What is kept of templates that clients build: one small file each, as of `records`."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.states import BuildState


class Reason(BaseModel):
    """Why a build failed, in words for its client, and at which step."""

    message: str
    step: str | None = None


class TagRecord(BaseModel):
    """Which build a tag points to."""

    build_id: str
    created_at: datetime


class OwnTemplate(BaseModel):
    """A template that a client built: a name with builds behind its tags."""

    model_config = ConfigDict(extra="ignore")
    id: str
    alias: str
    public: bool = False
    created_at: datetime
    updated_at: datetime
    tags: dict[str, TagRecord] = {}
    build_count: int = 0
    spawn_count: int = 0
    last_spawned_at: datetime | None = None
    team: str = TEAM_DEFAULT


class StepContext(BaseModel):
    """What the steps before leave to the next one besides files."""

    model_config = ConfigDict(frozen=True)
    user: str = "user"
    workdir: str = ""  # "" for the user's home
    env: dict[str, str] = {}


class Build(BaseModel):
    """One build of a template, and what it made."""

    model_config = ConfigDict(extra="ignore")
    id: str
    template_id: str
    status: BuildState = BuildState.WAITING
    tags: list[str]
    cpu_count: int
    memory_mb: int
    disk_free_mb: int = 0  # what its sandboxes may write
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    reason: Reason | None = None
    environment: str = ""
    layers: tuple[str, ...] = ()
    disk_bytes: int = 0
    context: StepContext = StepContext()
    start_cmd: str = ""
    ready_cmd: str = ""


class CachedStep(BaseModel):
    """What a step made, by the digest of all that it depends on."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    template_id: str  # whose build ran it; with the template it is forgotten
    layers: tuple[str, ...]
    context: StepContext
