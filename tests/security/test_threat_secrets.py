"""T-SEC: a secret's value is never read back."""

import os

import httpx
import pytest

from support.sandbox_server import SandboxServer

VALUE = "sk-never-shown-77b1"


@pytest.mark.threat("T-SEC-1")
def test_a_value_stands_nowhere_but_in_its_file(sandbox_server: SandboxServer) -> None:
    url, headers = f"{sandbox_server.url}/secrets", {"X-API-KEY": sandbox_server.key}
    name = f"threat-{os.getpid()}"
    made = httpx.post(url, headers=headers, json={"name": name, "value": VALUE})
    assert made.status_code == 201
    replies = [
        made,
        httpx.get(url, headers=headers),
        httpx.get(f"{url}/{name}", headers=headers),
        httpx.post(url, headers=headers, json={"name": name, "value": VALUE}),
        httpx.post(url, headers=headers, json={"name": f"{VALUE}!", "value": VALUE}),
        httpx.post(f"{url}/{name}", headers=headers, json={"value": {"a": VALUE}}),
        httpx.post(f"{url}/{name}", headers=headers, content=f'{{"value": "{VALUE}'.encode()),
    ]
    assert [reply.status_code for reply in replies] == [201, 200, 200, 409, 400, 400, 400]
    assert VALUE not in "".join(reply.text for reply in replies)
    assert VALUE not in "".join(sandbox_server.log_lines)
    file = sandbox_server.own_data / "secrets" / f"{made.json()['secretID']}.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert httpx.delete(f"{url}/{name}", headers=headers).status_code == 204
    assert not file.exists()
    assert httpx.get(url).status_code == 401
