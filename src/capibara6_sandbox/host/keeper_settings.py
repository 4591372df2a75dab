"""What a server is told about its sandboxes at its start."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capibara6_sandbox.host.builds.workshop import BuildSettings
from capibara6_sandbox.host.demand import PoolBounds
from capibara6_sandbox.host.egress import NetworkSettings
from capibara6_sandbox.host.isolations import Isolations
from capibara6_sandbox.host.stems import default_bytes_max

POOL_FLOOR: Final = 2  # ready sandboxes of each template in use
POOL_CEILING: Final = 8


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What a server is told at its start."""

    data: Path  # holds the built templates, paused sandboxes and snapshots
    sandboxes_max: int = 1_000
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pool_size: int = POOL_FLOOR  # ready sandboxes of each template in use, at least
    pool_size_max: int | None = None  # at most, as demand asks; None: never more nor fewer
    warm_templates: tuple[str, ...] = ("code-interpreter-v1",)  # pooled from the start
    stems_bytes_max: int = field(default_factory=default_bytes_max)  # variables of snapshots
    builds: BuildSettings = field(default_factory=BuildSettings)
    isolations: Isolations = field(default_factory=Isolations)

    @property
    def pool_bounds(self) -> PoolBounds:
        """Between which demand decides how many are ready."""
        return PoolBounds(self.pool_size, max(self.pool_size, self.pool_size_max or 0))
