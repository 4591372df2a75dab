"""What a server has on its machine, from its start to its stop.

Its folder for running, the environments and saved layers in its data folder, the cgroups, the
processes it forks from, and the process through which sandboxes reach out.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.egress import NetworkSettings
from capibara6_sandbox.host.instance import Instance, clean_up_after_dead, run_folder
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.outlets import Outlets
from capibara6_sandbox.host.parents import Parents
from capibara6_sandbox.host.secret_store import SecretStore
from capibara6_sandbox.host.volumes import Volumes
from capibara6_sandbox.isolation.cgroup_hierarchies import find_cgroups
from capibara6_sandbox.isolation.cgroups import Cgroups
from capibara6_sandbox.isolation.identity import has_id_ranges
from capibara6_sandbox.network.reach import Mode
from capibara6_sandbox.templates.build import BuiltEnvironment, Progress, build
from capibara6_sandbox.templates.catalog import Environment, environments

SPACE: Final = "sandboxes"

_log = structlog.get_logger()


class Premises:
    """What machines are made of and on.

    Args:
        data: holds the built templates and the saved layers.
        network: how far sandboxes reach.
    """

    def __init__(self, data: Path, network: NetworkSettings) -> None:
        self.data = data
        self.volumes = Volumes(data / "volumes")
        self.secrets = SecretStore(data / "secrets")
        self._network = network
        self._outlets: Outlets | None = None
        self.on_network_limit: Callable[[int, str], None] = lambda _key, _text: None
        self._has_uplinks = False  # whether a sandbox has had a way out
        self._built: dict[str, BuiltEnvironment] = {}
        self._instance: Instance | None = None
        self._parents: Parents | None = None
        self._cgroups: Cgroups | None = None
        self._space: LayerSpace | None = None
        self.privileged = has_id_ranges()
        self.degraded: list[str] = []  # layers that this machine does not offer, for people

    async def start(self, progress: Progress) -> None:
        """Build what is missing and start the zygotes.

        Raises:
            TemplateBuildError, ZygoteError, OSError: with what is missing on this machine.
        """
        parent = run_folder()
        clean_up_after_dead(parent, _log.warning)
        self._instance = Instance(parent)
        self._find_cgroups(self._instance)
        if not self.privileged:
            self._degrade("no ranges of ids: all sandboxes run under this server's own user id")
        await self._build_environments(progress)
        self._space = self._open_space(self._instance.name)
        progress(0.9, "starting the zygotes")
        self._parents = Parents(
            self._instance.view,
            self.data / "templates",
            self.data / "layers",
            self.volumes.folder,
            self._built,
            privileged=self.privileged,
        )
        await self._parents.start()
        if self._network.mode is not Mode.NONE:
            self._outlets = Outlets(self._network, self.secrets, self.on_network_limit)
            await self._outlets.start()

    def _find_cgroups(self, instance: Instance) -> None:
        try:
            self._cgroups = find_cgroups(instance.name)
            instance.note_groups(self._cgroups)
        except OSError as cause:
            self._degrade(f"no cgroups ({cause}): only rlimits bound memory and processes")

    def _degrade(self, what: str) -> None:
        self.degraded.append(what)
        _log.warning("degraded", what=what)

    async def _build_environments(self, progress: Progress) -> None:
        loop = asyncio.get_running_loop()
        needed = environments()
        for number, environment in enumerate(needed):

            def report(fraction: float, message: str, number: int = number) -> None:
                done = 0.9 * (number + fraction) / len(needed)
                loop.call_soon_threadsafe(progress, done, message)

            built = await asyncio.to_thread(build, environment, self.data / "templates", report)
            self._built[environment.name] = built

    def _open_space(self, own_name: str) -> LayerSpace:
        layers = self.data / "layers"
        try:
            return LayerSpace(layers, SPACE)
        except BlockingIOError:
            remedy = "Give each server a --data of its own."
            self._degrade(
                f"another server uses {self.data}: no volumes, secrets and builds, and paused"
                f" sandboxes and snapshots end with this server. {remedy}"
            )
            what = "Another server keeps the {} in this data folder."
            self.volumes.refuse(f"{what.format('volumes')} {remedy}")
            self.secrets.refuse(f"{what.format('secrets')} {remedy}")
            return LayerSpace(layers, own_name)

    @property
    def space(self) -> LayerSpace:
        """The saved layers of this server."""
        assert self._space is not None, "the foundry has been started"
        return self._space

    def built(self, name: str) -> BuiltEnvironment:
        """Return an environment as it lies on disk; KeyError if this server has none such."""
        return self._built[name]

    def environment(self, name: str) -> Environment | None:
        """Return what templates are made of, by name; None if this server has none such."""
        built = self._built.get(name)
        return built.environment if built else None

    @property
    def has_cgroups(self) -> bool:
        """Whether sandboxes have groups of processes."""
        return self._cgroups is not None

    @property
    def keeps(self) -> bool:
        """Whether what is saved outlives this server."""
        return self.space.space == SPACE

    @property
    def parents(self) -> Parents:
        """The processes to fork from.

        Raises:
            StartError: the server is stopping.
        """
        if self._parents is None or self._instance is None:
            raise StartError("The server is stopping.")
        return self._parents

    @property
    def bounds_memory(self) -> bool:
        """Whether a sandbox's memory can be bounded as a whole, also once it has started."""
        return self._cgroups is not None

    async def stop(self) -> None:
        """End the processes and remove what is this server's. Idempotent."""
        if self._space is not None and self._parents is not None and not self.keeps:
            await self.space.discard(await self._parents.nursery(), self.space.everything())
        parents, self._parents = self._parents, None
        if parents is not None:
            await parents.close()
        if self._outlets is not None:
            await self._outlets.close()
        if self._cgroups is not None:
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(self._cgroups.close)
        if self._space is not None:
            self._space.close(remove=not self.keeps)
        if self._instance is not None:
            self._instance.close()
