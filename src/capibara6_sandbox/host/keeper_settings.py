"""What a server is told about its sandboxes at its start."""

from dataclasses import dataclass, field
from pathlib import Path

from capibara6_sandbox.host.builds.workshop import BuildSettings
from capibara6_sandbox.host.egress import NetworkSettings
from capibara6_sandbox.host.isolations import Isolations
from capibara6_sandbox.host.stems import default_bytes_max


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What a server is told at its start."""

    data: Path  # holds the built templates, paused sandboxes and snapshots
    sandboxes_max: int = 1_000
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pool_size: int = 2  # ready sandboxes of each template in use
    warm_templates: tuple[str, ...] = ("code-interpreter-v1",)  # pooled from the start
    stems_bytes_max: int = field(default_factory=default_bytes_max)  # variables of snapshots
    builds: BuildSettings = field(default_factory=BuildSettings)
    isolations: Isolations = field(default_factory=Isolations)
