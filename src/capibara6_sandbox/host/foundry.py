"""The foundry: makes machines, and takes back all they were made of.

Owns the processes that sandboxes are forked from, the ranges of ids, the cgroups and the saved
layers. Knows nothing of what clients want.
"""

import asyncio
import os
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.blueprint import Blueprint
from capibara6_sandbox.host.container_machine import ContainerMachine
from capibara6_sandbox.host.egress import NetworkSettings
from capibara6_sandbox.host.id_ranges import IdRanges
from capibara6_sandbox.host.instance import INSTANCE_PREFIX
from capibara6_sandbox.host.isolations import group_limits
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.premises import Premises
from capibara6_sandbox.host.shortages import refused_start
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.isolation.cgroups import Cgroup
from capibara6_sandbox.isolation.runtimes import is_container
from capibara6_sandbox.network.policy import Policy
from capibara6_sandbox.templates.catalog import Template

_ID_ALPHABET: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 20

_log = structlog.get_logger()


def new_id() -> str:
    """Return an id that nobody can guess, in the form that clients expect."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


class Foundry(Premises):
    """Makes machines, on the premises of a server."""

    def __init__(self, data: Path, network: NetworkSettings) -> None:
        super().__init__(data, network)
        self._ranges = IdRanges()
        self._retired: set[Machine] = set()  # ended for their owners; live forks need them

    async def make(
        self,
        template: Template,
        layers: Sequence[str],
        machine_id: str = "",
        origin: Machine | None = None,
        volumes: Sequence[tuple[str, str]] = (),
    ) -> Machine:
        """Start a machine.

        Args:
            template: what it is made of.
            layers: saved ones above its environment, lowest first.
            machine_id: the id it shall have; "" for a new one.
            origin: the machine that it shall be a live fork of.
            volumes: ids and paths of those that it starts with; others are mounted later.

        Raises:
            StartError: this machine refused something; nothing is left behind.
        """
        nursery = await self.parents.nursery()
        assert self._instance is not None
        blueprint = replace(
            self._blueprint(template, layers, machine_id, origin), volumes=tuple(volumes)
        )
        kind = ContainerMachine if is_container(template.isolation) else Machine
        machine = kind(blueprint, self._instance.folder)
        if origin is not None:
            machine.origin = origin
            origin.forks.add(machine)
        self.space.hold(layers)
        try:
            machine.cgroup = self._create_cgroup(machine.blueprint)
            await machine.start(nursery)
            await self._open_egress(machine, nursery)
        except OSError as cause:
            await asyncio.shield(self.take_back(machine))
            raise refused_start(cause, self._instance.folder.parent) from None
        except BaseException:
            await asyncio.shield(self.take_back(machine))
            raise
        return machine

    async def _open_egress(self, machine: Machine, nursery: ZygoteClient) -> None:
        outlets = self._outlets
        if outlets is None:
            return
        try:
            fds = await machine.open_uplink(nursery)
        except ZygoteError as cause:
            if self._has_uplinks:  # so the machine allows them, and this one met a fault
                raise StartError(f"The sandbox's network could not start: {cause}") from None
            self._degrade(f"no network in sandboxes: {cause}")
            self._outlets = None
            await outlets.close()
            return
        if self._outlets is not outlets:  # meanwhile another was refused its own
            for fd in fds:
                os.close(fd)
            return
        self._has_uplinks = True
        machine.egress_key = outlets.open(fds)

    async def check_policy(self, policy: Policy) -> None:
        """See whether a client can have a policy here.

        Raises:
            BadRequestError: its proxy is out of sandboxes' reach.
        """
        if self._outlets is not None and policy.proxy is not None:
            await self._outlets.check(policy.proxy)

    async def apply_policy(
        self,
        machine: Machine,
        policy: Policy,
        own: Mapping[str, str] = MappingProxyType({}),
        team: str = TEAM_DEFAULT,
    ) -> None:
        """Let a machine reach what a policy allows; return when it does. One call at a time.

        Args:
            machine: which.
            policy: it.
            own: variables that its client has set, which stay.
            team: whose secrets the policy means.

        Raises:
            StartError: the policy has rules for requests, and the machine cannot be made to
                believe who carries them out.
        """
        outlets, key = self._outlets, machine.egress_key
        if outlets is None or not key:
            return
        if not machine.variables and any(rule.headers for rule in policy.rules):
            certificate = await outlets.authority(key, machine.blueprint.id)
            await machine.believe(await self.parents.nursery(), certificate)
            machine.control.set_environment(machine.variables | dict(own))
        await outlets.apply(key, policy, team)

    def _create_cgroup(self, blueprint: Blueprint) -> Cgroup | None:
        if self._cgroups is None:
            return None
        name = blueprint.place or blueprint.id
        return self._cgroups.create(name, group_limits(blueprint.template))

    def _blueprint(
        self, template: Template, layers: Sequence[str], machine_id: str, origin: Machine | None
    ) -> Blueprint:
        disk_bytes = template.limits.disk_bytes
        return Blueprint(
            id=machine_id or new_id(),
            template=template,
            built=self._built[template.environment.name],
            disk_bytes=self.space.room_bytes(layers, disk_bytes) if layers else disk_bytes,
            privileged=self.privileged,
            layers=tuple(layers),
            place=self._place(machine_id),
            # Last: what is taken is taken back with the machine, and there is none yet.
            uid_base=origin.blueprint.uid_base if origin else self._ranges.take(),
        )

    def _place(self, machine_id: str) -> str:
        """Return a name that is free; a sandbox's former machine may live on for its forks."""
        taken = any(machine.blueprint.id == machine_id for machine in self._retired)
        return f"{machine_id}-{secrets.token_hex(4)}" if taken else ""

    async def take_back(self, machine: Machine) -> None:
        """End a machine, and take back its ids and layers. To be called once.

        A machine with live forks ends in two steps: its programs now, the rest after the last fork.
        """
        if self._outlets is not None and machine.egress_key:
            self._outlets.forget(machine.egress_key)
        if machine.forks and not machine.ended.is_set():
            try:
                await machine.retire()
            except OSError as cause:
                _log.error("programs_left", sandbox_id=machine.blueprint.id, cause=str(cause))
            self._retired.add(machine)
            if machine.forks:
                return
            self._retired.discard(machine)
        await self._take_all_back(machine)

    async def _take_all_back(self, machine: Machine) -> None:
        try:
            await machine.kill()
        except OSError as cause:  # a group that will not go; the next start tries again
            _log.error("sandbox_left_behind", sandbox_id=machine.blueprint.id, cause=str(cause))
        origin = machine.origin
        if origin is None:
            self._ranges.give_back(machine.blueprint.uid_base)
        await self.release(machine.blueprint.layers)
        if origin is not None:
            origin.forks.discard(machine)
            if not origin.forks and origin in self._retired:
                self._retired.discard(origin)
                await self._take_all_back(origin)

    async def save(self, machine: Machine) -> tuple[str, ...]:
        """Save what a machine has written; return all layers it stands on now, held once.

        Raises:
            StartError: it could not be saved.
        """
        nursery = await self.parents.nursery()
        blueprint = machine.blueprint
        return await self.space.save(
            nursery, machine.layer_fd, blueprint.uid_base, blueprint.layers
        )

    async def settle(self) -> None:
        """Force what was saved to the disk, where it outlives this server.

        Raises:
            StartError: the disk has failed.
        """
        if self.keeps:
            await self.space.settle()

    async def release(self, layers: Sequence[str]) -> None:
        """Give up layers that the caller held; those that nobody holds are removed."""
        freed = self.space.release(layers) if layers else []
        if freed and self._parents is not None:
            await self.space.discard(await self._parents.nursery(), freed)

    async def remove_strays(self, *, complete: bool) -> None:
        """Remove layers and volumes that nothing refers to: of servers that were killed.

        Args:
            complete: every record of this data folder held. Else a damaged one, which may be
                mended, may refer to any layer here.
        """
        if self.keeps:  # else another server may be creating a volume just now
            self.volumes.remove_strays()
        for folder in self.space.layers.glob(f"{INSTANCE_PREFIX}*"):
            if folder.name != self.space.space:
                await self._remove_space(folder.name)
        if strays := self.space.strays(whole=complete):
            _log.warning("removing_strays", layers=len(strays))
            await self.space.discard(await self.parents.nursery(), strays)

    async def _remove_space(self, name: str) -> None:
        try:
            space = LayerSpace(self.space.layers, name)
        except BlockingIOError:
            return  # its server lives
        await space.discard(await self.parents.nursery(), space.everything())
        space.close(remove=True)
