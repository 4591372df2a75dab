"""How templates of clients are described when not all that was kept of them holds."""

from pathlib import Path
from typing import cast

import httpx
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from capibara6_sandbox.gateway.keys import HOLDER
from capibara6_sandbox.gateway.templates import TemplateCalls
from capibara6_sandbox.host.build_records import Build, OwnTemplate
from capibara6_sandbox.host.builds.library import Library, now
from capibara6_sandbox.host.builds.workshop import Workshop
from capibara6_sandbox.host.keys import KeyRing


class Shelf:
    """What the calls ask of a workshop, with nothing to build."""

    def __init__(self, folder: Path) -> None:
        self.library = Library(folder)

    def own_templates(self, team) -> list[OwnTemplate]:
        return list(self.library.templates())


def _damage(folder: Path) -> None:
    """Leave a template there of whose only build the record does not hold."""
    moment = now()
    template = OwnTemplate(id="id", alias="mine", created_at=moment, updated_at=moment)
    build = Build(
        id="b1",
        template_id=template.id,
        tags=["default"],
        cpu_count=1,
        memory_mb=512,
        created_at=moment,
        updated_at=moment,
    )
    Library(folder).add(template, build)
    (folder / "builds/b1.json").write_text("{")


async def test_a_template_whose_builds_are_all_damaged_is_described_without_one(
    tmp_path: Path,
) -> None:
    _damage(tmp_path)
    app = Starlette(routes=TemplateCalls(cast(Workshop, Shelf(tmp_path))).routes())

    async def asked_by_a_holder(scope: Scope, receive: Receive, send: Send) -> None:
        keys = KeyRing(tmp_path / "keys")
        await app({**scope, HOLDER: keys.admit("e2b_0")}, receive, send)

    transport = httpx.ASGITransport(asked_by_a_holder)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        listed = (await client.get("/templates")).json()[-1]
        described = (await client.get("/templates/mine")).json()
    assert listed["aliases"] == ["mine"]
    assert listed["buildID"] == "00000000-0000-0000-0000-000000000000"
    assert (listed["cpuCount"], listed["memoryMB"], listed["diskSizeMB"]) == (0, 0, 0)
    assert listed["buildStatus"] == "waiting"
    assert described == listed | {"builds": []}
