"""Images by the names that the SDK knows, and what opens registries of others."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from e2b import Template
from e2b.exceptions import BuildException

from support.images import GOOGLE_KEY, PASSWORD, USER
from support.registries import DockerHub
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.timeout(300)
AMAZON = {"access_key_id": "AKIATEST", "secret_access_key": "secret-key", "region": "eu-west-1"}


def build(server: SandboxServer, template: Any) -> str:
    """Build it; return the log."""
    lines: list[str] = []
    Template.build(
        template,
        f"t-{uuid.uuid4().hex[:12]}",
        on_build_logs=lambda entry: lines.append(entry.message),
        **server.sdk,
    )
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("kind", "variant", "image"),
    [
        ("alpine", "3", "library/alpine"),
        ("arch", "latest", "library/archlinux"),
        ("bun", "latest", "oven/bun"),
        ("debian", "stable", "library/debian"),
        ("fedora", "44", "library/fedora"),
        ("node", "lts", "library/node"),
        ("python", "3", "library/python"),
        ("ubuntu", "latest", "library/ubuntu"),
    ],
)
def test_an_image_by_its_kind_is_docker_hubs(
    hub_server: SandboxServer, kind: str, variant: str, image: str
) -> None:
    template = getattr(Template(), f"from_{kind}_image")(variant)
    image = f"{image}:{variant}"
    assert f"it is {image}" in build(hub_server, template.run_cmd("echo it is $IMAGE"))


def test_bun_is_the_images(hub_server: SandboxServer) -> None:
    log = build(hub_server, Template().from_bun_image().bun_install(["left", "right"], dev=True))
    assert "bun was asked: install --dev left right" in log
    with pytest.raises(BuildException, match="'bun install': exit status 127"):
        build(hub_server, Template().from_base_image().bun_install())


def test_a_password_opens_a_registry(hub_server: SandboxServer, hub: DockerHub) -> None:
    with pytest.raises(BuildException, match="access denied to"):
        build(hub_server, Template().skip_cache().from_image(hub.private))
    build(hub_server, Template().from_image(hub.private, USER, PASSWORD))


def test_googles_key_opens_a_registry(
    hub_server: SandboxServer, hub: DockerHub, tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text(GOOGLE_KEY)
    template = Template(file_context_path=tmp_path).skip_cache()
    build(hub_server, template.from_gcp_registry(hub.private, service_account_json="key.json"))


def test_amazons_keys_are_exchanged_for_a_password(
    hub_server: SandboxServer, hub: DockerHub
) -> None:
    log = build(hub_server, Template().skip_cache().from_aws_registry(hub.private, **AMAZON))
    asked = hub.tokens_asked[-1]
    assert asked["x-amz-target"].endswith(".GetAuthorizationToken")
    assert "Credential=AKIATEST/" in asked["authorization"]
    assert "/eu-west-1/ecr/aws4_request" in asked["authorization"]
    assert "secret-key" not in str(asked) + log + "".join(hub_server.log_lines)


def test_what_amazon_says_of_wrong_keys_is_told(hub_server: SandboxServer, hub: DockerHub) -> None:
    keys = {**AMAZON, "access_key_id": "AKIAREFUSED"}
    template = Template().skip_cache().from_aws_registry(hub.private, **keys)
    words = "failed to get ECR authorization token: UnrecognizedClientException: The security token"
    with pytest.raises(BuildException, match=words) as caught:
        build(hub_server, template)
    assert "secret-key" not in str(caught.value)
