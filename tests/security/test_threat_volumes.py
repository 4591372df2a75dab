"""T-VOL: what hostile programs and clients make of volumes."""

import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until

_DEEP = """
import os
for name in "de":
    os.chdir("/d")
    for number in range(3000):
        os.mkdir(f"{name}{number}")
        os.chdir(f"{name}{number}")
"""


def _leads_to(link: Path, place: str) -> bool:
    try:
        return os.readlink(link).startswith(place)
    except FileNotFoundError:
        return False


class Contents:
    """Raw calls about a volume's contents."""

    def __init__(self, server: SandboxServer, name: str) -> None:
        self.url = server.url
        self.keyed = {"X-API-KEY": server.key}
        made = httpx.post(f"{self.url}/volumes", headers=self.keyed, json={"name": name}).json()
        self.id, self.token, self.name = made["volumeID"], made["token"], name

    def ask(self, method: str, kind: str, path: str, token: str | None = None, **more: object):  # type: ignore[no-untyped-def]
        authorization = {"Authorization": f"Bearer {self.token if token is None else token}"}
        url = f"{self.url}/volumecontent/{self.id}/{kind}"
        more = {"timeout": 60, **more}
        return httpx.request(method, url, params={"path": path}, headers=authorization, **more)

    def destroy(self) -> None:
        httpx.delete(f"{self.url}/volumes/{self.id}", headers=self.keyed)


@pytest.fixture(scope="module")
def volume(sandbox_server: SandboxServer) -> Iterator[Contents]:
    volume = Contents(sandbox_server, f"threat-{os.getpid()}")
    yield volume
    volume.destroy()


@pytest.fixture(scope="module")
def sandbox(sandbox_server: SandboxServer, volume: Contents) -> Iterator[Sandbox]:
    mounts = {"/data": volume.name}
    sandbox = Sandbox.create(timeout=600, volume_mounts=mounts, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.mark.threat("T-VOL-1")
@pytest.mark.parametrize(
    "path", ["/out/hostname", "/up/records", "/loop/x", "/own/proc/version", "/deep/a/b"]
)
def test_no_link_leads_out(volume: Contents, sandbox: Sandbox, path: str) -> None:
    sandbox.commands.run(
        "cd /data; ln -sfn /etc out; ln -sfn ../.. up; ln -sfn loop loop; ln -sfn / own;"
        "mkdir -p real/a; echo x > real/a/b; ln -sfn real deep"
    )
    for method, kind in (
        ("GET", "path"), ("GET", "file"), ("GET", "dir"), ("PUT", "file"),
        ("POST", "dir"), ("DELETE", "path"), ("PATCH", "path"),
    ):  # fmt: skip
        reply = volume.ask(method, kind, path, **({"json": {}} if method == "PATCH" else {}))
        assert (reply.status_code, "link" in reply.json()["message"]) == (400, True), reply.text
    assert sandbox.commands.run("cat /data/real/a/b").stdout == "x\n"


@pytest.mark.threat("T-VOL-1")
def test_a_link_itself_is_described_and_removed(volume: Contents, sandbox: Sandbox) -> None:
    sandbox.commands.run("ln -sfn /etc/passwd /data/link")
    told = volume.ask("GET", "path", "/link").json()
    assert (told["type"], told["target"]) == ("symlink", "/etc/passwd")
    assert volume.ask("GET", "file", "/link").status_code == 400
    assert volume.ask("DELETE", "path", "/link").status_code == 204
    assert Path("/etc/passwd").exists()


@pytest.mark.threat("T-VOL-1")
@pytest.mark.parametrize("path", ["..", "/../records", "a/../../b", "/x/..", "//..", "a\0b"])
def test_dots_are_refused(volume: Contents, path: str) -> None:
    for kind in ("path", "file", "dir"):
        assert volume.ask("GET", kind, path).status_code == 400
    assert volume.ask("PUT", "file", path, content=b"x").status_code == 400


@pytest.mark.threat("T-VOL-1")
def test_a_pipe_does_not_hold_the_server_up(volume: Contents, sandbox: Sandbox) -> None:
    sandbox.commands.run("rm -f /data/pipe; mkfifo /data/pipe")
    assert volume.ask("GET", "file", "/pipe", timeout=10).status_code == 400
    url = f"{volume.url}/volumecontent/{volume.id}/file"
    forced = {"path": "/pipe", "force": "true"}
    bearer = {"Authorization": f"Bearer {volume.token}"}
    refused = httpx.put(url, params=forced, headers=bearer, content=b"x", timeout=10)
    assert refused.status_code == 400


@pytest.mark.threat("T-VOL-4")
def test_a_file_of_holes_is_described_and_not_read(
    sandbox_server: SandboxServer, volume: Contents, sandbox: Sandbox
) -> None:
    if not sandbox_server.has_cgroups:
        pytest.skip("no cgroups: no file is larger than its sandbox's memory")
    size = (1 << 40) + 1
    sandbox.commands.run(f"truncate -s {size} /data/holes && truncate -s 1G /data/fewer")
    assert volume.ask("GET", "path", "/holes").json()["size"] == size
    refused = volume.ask("GET", "file", "/holes")
    assert (refused.status_code, "are more than" in refused.text) == (400, True)
    with httpx.Client() as client:  # whose connection stays, on which nothing is sent
        address = f"{volume.url}/volumecontent/{volume.id}/file"
        bearer = {"Authorization": f"Bearer {volume.token}"}
        told = client.head(address, params={"path": "/holes"}, headers=bearer)
        assert told.headers["content-length"] == str(size)
        with client.stream("GET", address, params={"path": "/fewer"}, headers=bearer) as part:
            assert next(part.iter_raw()).strip(b"\0") == b""
    assert volume.ask("DELETE", "path", "/holes").status_code == 204


@pytest.mark.threat("T-VOL-4")
def test_readers_that_leave_keep_no_file_open(
    sandbox_server: SandboxServer, volume: Contents, sandbox: Sandbox
) -> None:
    sandbox.commands.run("truncate -s 1G /data/left")
    folder = Path(f"/proc/{sandbox_server.process.pid}/fd")
    place = str(sandbox_server.own_data / "volumes" / volume.id)
    address = urlsplit(volume.url)
    head = f"GET /volumecontent/{volume.id}/file?path=/left HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += f"Authorization: Bearer {volume.token}\r\n\r\n"
    for pause_s in (0.0, 0.01, 0.1) * 5:
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(head.encode())
            time.sleep(pause_s)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: not [fd for fd in folder.iterdir() if _leads_to(fd, place)])


@pytest.mark.threat("T-VOL-4")
def test_a_tree_that_is_deep_is_removed(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    own = Contents(sandbox_server, f"deep-{os.getpid()}")
    with Sandbox.create(volume_mounts={"/d": own.name}, **sandbox_server.sdk) as inside:
        inside.files.write("/tmp/deep.py", _DEEP)
        inside.commands.run("python3 /tmp/deep.py")
    assert own.ask("GET", "dir", "/").status_code == 200
    assert own.ask("DELETE", "path", "/d0").status_code == 204
    assert own.ask("GET", "dir", "/").json()[0]["name"] == "e0"
    own.destroy()
    wait_until(lambda: not (sandbox_server.own_data / "volumes" / own.id).exists())


@pytest.mark.threat("T-VOL-2")
def test_contents_open_to_their_own_token_only(
    sandbox_server: SandboxServer, volume: Contents
) -> None:
    other = Contents(sandbox_server, f"other-{os.getpid()}")
    for token in ("none", "x", other.token, sandbox_server.key):
        assert volume.ask("GET", "dir", "/", token=token).status_code == 401
    assert volume.ask("GET", "dir", "/").status_code == 200
    assert httpx.get(f"{volume.url}/volumes").status_code == 401
    other.destroy()


@pytest.mark.threat("T-VOL-2")
def test_only_the_servers_user_reaches_the_files(sandbox_server: SandboxServer) -> None:
    status = (sandbox_server.own_data / "volumes").stat()
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert status.st_uid == os.geteuid()


@pytest.mark.threat("T-VOL-3")
def test_a_volume_gives_no_right(sandbox: Sandbox) -> None:
    line = next(
        line
        for line in sandbox.files.read("/proc/self/mounts").splitlines()
        if line.split()[1] == "/data"
    )
    assert {"rw", "nosuid", "nodev"} <= set(line.split()[3].split(","))
    for command in ("mknod /data/null c 1 3", "umount /data", "mount -o remount,suid /data"):
        shown = sandbox.commands.run(f"{command} || echo refused", user="root")
        assert shown.stdout == "refused\n"
