"""T-LOG: what a sandbox's log does not tell."""

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

SECRETS = ("created-with-9f2", "given-to-call-9f2", "printed-9f2", "of-an-address-9f2")


@pytest.mark.threat("T-LOG-1")
def test_no_secret_is_told(sandbox_server: SandboxServer) -> None:
    created, given, _, address = SECRETS
    sandbox = Sandbox.create("base", timeout=120, envs={"A": created}, **sandbox_server.sdk)
    try:
        command = (
            f"echo {created} {given} ftp://me:{address}@host >/dev/null; echo printed-$((9))f2"
        )
        sandbox.commands.run(command, envs={"B": given})
        for generation in ("", "/v2"):
            told = httpx.get(
                f"{sandbox_server.url}{generation}/sandboxes/{sandbox.sandbox_id}/logs",
                headers={"X-API-KEY": sandbox_server.key},
            ).text
            assert "process_start" in told
            assert not [secret for secret in SECRETS if secret in told]
    finally:
        sandbox.kill()
