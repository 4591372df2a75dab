"""The record of a paused sandbox: what has to be known to start it again from its files."""

from datetime import UTC, datetime
from pathlib import Path

from capibara6_sandbox.host.records import SandboxRecord, TemplateRecord
from capibara6_sandbox.host.sandbox import Sandbox


def boot_id() -> str:
    """Return the id of the machine's boot: what was not forced to the disk is of no other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def describe(sandbox: Sandbox, layers: tuple[str, ...], unsettled: str = "") -> SandboxRecord:
    """Return what has to be known to start a sandbox again."""
    request = sandbox.request
    return SandboxRecord(
        id=sandbox.id,
        template=TemplateRecord.of(sandbox.template),
        layers=layers,
        timeout_s=request.timeout_s,
        metadata=dict(request.metadata),
        env=sandbox.env,
        allow_public_traffic=request.allow_public_traffic,
        mask_request_host=request.mask_request_host,
        https_ports=request.https_ports,
        volumes=request.volumes,
        policy=request.policy,
        auto_pause=request.auto_pause,
        auto_pause_memory=request.auto_pause_memory,
        auto_resume=request.auto_resume,
        team=request.team,
        key_id=request.key_id,
        envd_access_token=sandbox.envd_access_token,
        traffic_access_token=sandbox.traffic_access_token,
        started_at=sandbox.started_at,
        ends_at=datetime.now(UTC),
        unsettled=unsettled,
    )
