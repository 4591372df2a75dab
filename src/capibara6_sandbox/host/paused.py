"""The record of a paused sandbox: what is written of one, and how it is taken up again."""

from datetime import UTC, datetime
from pathlib import Path

import structlog

from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.records import SandboxRecord, TemplateRecord
from capibara6_sandbox.host.sandbox import Sandbox

_log = structlog.get_logger()


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


def is_lost(record: SandboxRecord) -> bool:
    """Whether the machine went down before a sandbox's files had reached the disk."""
    if record.unsettled in ("", boot_id()):
        return False
    text = "the machine went down before its files had reached the disk"
    _log.error("paused_sandbox_lost", sandbox_id=record.id, cause=text)
    return True


def recall(foundry: Foundry, record: SandboxRecord) -> Sandbox | None:
    """Return a sandbox that an earlier run of this server paused, its layers held.

    None where its template is gone, which may come back: the layers are held anyway.
    """
    environment = foundry.environment(record.template.environment)
    foundry.space.hold(record.layers)
    if environment is None:
        name = record.template.environment
        _log.error("paused_sandbox_without_template", sandbox_id=record.id, template=name)
        return None
    sandbox = Sandbox(record.id, foundry.parents)
    sandbox.recall(record, record.template.template(environment))
    return sandbox
