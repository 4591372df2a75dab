"""A sandbox as clients know it: a machine with a name, a lifetime and tokens."""

import asyncio
import hmac
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.guest_client import GuestClient, GuestLostError
from capibara6_sandbox.host.history import History, Sample
from capibara6_sandbox.host.kernel_contexts import KernelContexts
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.parents import Parents
from capibara6_sandbox.host.records import SandboxRecord, VolumeMount
from capibara6_sandbox.host.states import VISIBLE, State, check_step
from capibara6_sandbox.host.tunnels import Tunnels
from capibara6_sandbox.host.volumes import Volumes
from capibara6_sandbox.host.zygotes import ZygoteError
from capibara6_sandbox.isolation.limits import CgroupUsage
from capibara6_sandbox.isolation.runtimes import is_container
from capibara6_sandbox.network.policy import EVERYTHING, Policy
from capibara6_sandbox.templates.catalog import Template

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of a new sandbox."""

    template: Template
    timeout_s: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secure: bool = True
    allow_public_traffic: bool = True
    https_ports: frozenset[int] = frozenset()  # whose services speak TLS themselves
    mask_request_host: str = ""  # the Host header that services see; "" leaves it as it came
    volumes: tuple[VolumeMount, ...] = ()
    policy: Policy = EVERYTHING  # what it may reach
    auto_pause: bool = False  # at its time's end, instead of ending
    auto_pause_memory: bool = True
    auto_resume: bool = False  # by traffic
    team: str = TEAM_DEFAULT  # who sees it
    key_id: str = ""  # with which it was created, and for which it counts

    def volumes_at_start(self, volumes: Volumes) -> list[tuple[str, str]]:
        """Return what a container has to start with; elsewhere all is mounted later."""
        if not is_container(self.template.isolation):
            return []
        return [(v.volume_id, v.path) for v in self.volumes if volumes.has(v.volume_id)]


class Sandbox(KernelContexts):
    """A sandbox. Its keeper gives it a machine, and takes it while there is nothing to run."""

    request: Request
    started_at: datetime
    ends_at: datetime

    def __init__(self, sandbox_id: str, parents: Parents) -> None:
        super().__init__(parents)
        self.id = sandbox_id
        self.default_user = "user"
        self.default_workdir = ""
        self.state = State.RUNNING
        self.turn = asyncio.Lock()  # one step of its life at a time
        self.saved: tuple[str, ...] = ()  # layers that it holds while it is paused
        self._machine: Machine | None = None
        self._ends_s = 0.0  # of the clock that nobody sets
        self.tunnels = Tunnels(self._open_socket)  # to its machine of now
        self.unsavable_times = 0  # that its own files prevented its pause, since it began to live
        self.history = History()  # of what it uses
        self.envd_access_token = ""
        self.traffic_access_token = ""
        self.env: dict[str, str] = {}

    def step(self, state: State) -> None:
        """Go to another state of its life.

        Raises:
            ConflictError: there is no way from here.
        """
        self.state = check_step("Sandbox", self.id, self.state, state)

    def attach(self, machine: Machine) -> None:
        """Run on `machine` from now on."""
        self._machine = machine
        self.tunnels = Tunnels(self._open_socket)
        machine.when_ended(self.tunnels.cut)
        self.default_context_ids = {}

    def detach(self) -> Machine | None:
        """Hand over its machine, for whoever asks first to take it back."""
        machine, self._machine = self._machine, None
        return machine

    @property
    def machine(self) -> Machine:
        """Its machine.

        Raises:
            GuestLostError: it has none: it is paused, or has ended.
        """
        if self._machine is None:
            raise GuestLostError("the sandbox has no machine")
        return self._machine

    @property
    def variables(self) -> dict[str, str]:
        """What its programs see: what its machine tells them, and what its client has set."""
        return self.machine.variables | self.env

    def runs_on(self, machine: Machine) -> bool:
        """Whether `machine` is the one that it has now."""
        return self._machine is machine

    def recall(self, record: SandboxRecord, template: Template) -> None:
        """Be what was recorded: a paused sandbox without a machine."""
        self.request = Request(
            template=template,
            timeout_s=record.timeout_s,
            metadata=record.metadata,
            env=record.env,
            secure=bool(record.envd_access_token),
            allow_public_traffic=record.allow_public_traffic,
            mask_request_host=record.mask_request_host,
            https_ports=record.https_ports,
            volumes=record.volumes,
            policy=record.policy,
            auto_pause=record.auto_pause,
            auto_pause_memory=record.auto_pause_memory,
            auto_resume=record.auto_resume,
            team=record.team,
            key_id=record.key_id,
        )
        self._take_defaults(template)
        self.state = State.PAUSED
        self.saved = record.layers
        self.env = dict(record.env)
        self.envd_access_token = record.envd_access_token
        self.traffic_access_token = record.traffic_access_token
        self.started_at, self.ends_at = record.started_at, record.ends_at

    def _take_defaults(self, template: Template) -> None:
        self.default_user = template.user
        self.default_workdir = template.workdir

    @property
    def visible_state(self) -> str:
        """What clients are told of its state."""
        return VISIBLE[self.state]

    @property
    def has_machine(self) -> bool:
        """Whether there are processes behind it, running or not."""
        return self._machine is not None

    def assign(self, request: Request) -> None:
        """Give a machine, which may have waited in the pool, to a client."""
        self.request = request
        self._take_defaults(request.template)
        self.env = dict(request.env)
        if self.env:
            self.machine.control.set_environment(self.env)
        if request.secure:
            self.envd_access_token = secrets.token_hex(16)
        if not request.allow_public_traffic:
            self.traffic_access_token = secrets.token_hex(16)
        self.live(request.timeout_s)

    def live(self, timeout_s: float) -> None:
        """Begin to live, or live again, for some time from now."""
        self.started_at = datetime.now(UTC)
        self.unsavable_times = 0
        self.extend(timeout_s)

    async def mount_volumes(self, volumes: Volumes) -> None:
        """Mount what was asked for on its machine, which is new; what was destroyed stays away.

        Raises:
            StartError: one cannot be mounted.
        """
        for mount in self.request.volumes:
            if not volumes.has(mount.volume_id):
                _log.warning("volume_gone", sandbox_id=self.id, volume=mount.name, path=mount.path)
                continue
            nursery = await self._parents.nursery()
            await self.machine.mount(nursery, mount.volume_id, mount.path)

    async def _open_socket(self, family: socket.AddressFamily) -> socket.socket:
        try:
            return await self.machine.open_socket(await self._parents.nursery(), family)
        except (StartError, ZygoteError) as cause:
            raise GuestLostError(f"no connection into the sandbox ({cause})") from None

    @property
    def guest(self) -> GuestClient:
        """The client of its agent."""
        return self.machine.guest

    @property
    def template(self) -> Template:
        """The template that it was asked for with."""
        return self.request.template

    @property
    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._machine is not None and not self._machine.ended.is_set()

    def usage(self) -> CgroupUsage | None:
        """Return what its programs have used; None while that cannot be told."""
        return self._machine.usage() if self._machine is not None else None

    def sample(self, at_s: float) -> None:
        """Add what it uses to its history; nothing while it does not run."""
        usage = self.usage() if self.state is State.RUNNING else None
        if usage is None:
            self.history.rest()
            return
        self.history.add(self.measure(usage, at_s), usage.cpu_s)

    def measure(self, usage: CgroupUsage, at_s: float) -> Sample:
        """Return what it uses now, as a sample."""
        share = self.history.share(at_s, usage.cpu_s)
        if share is None:  # since its start or resumption, where there is no sample yet
            share = usage.cpu_s / max(0.001, at_s - self.started_at.timestamp())
        disk_bytes = self.disk_used_bytes()
        return Sample(at_s, share, usage.memory_bytes, usage.cache_bytes, disk_bytes)

    def disk_used_bytes(self) -> int:
        """Return how much it has written since it was started."""
        return self._machine.disk_used_bytes() if self._machine is not None else 0

    def accepts(self, token: str) -> bool:
        """Whether `token` opens its data plane; always so for a sandbox without one."""
        return hmac.compare_digest(token.encode(), self.envd_access_token.encode()) or (
            not self.envd_access_token
        )

    @property
    def remaining_s(self) -> float:
        """Seconds until its end, whatever becomes of the machine's clock meanwhile."""
        return self._ends_s - time.monotonic()

    def extend(self, timeout_s: float) -> None:
        """Set its end to `timeout_s` from now."""
        self._ends_s = time.monotonic() + timeout_s
        self.ends_at = datetime.now(UTC) + timedelta(seconds=timeout_s)  # for people
