"""Images as registries hold them, made from this machine's programs; and a registry on loopback."""

import contextlib
import gzip
import hashlib
import io
import json
import platform
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

PROGRAMS = (
    "bash", "sh", "cat", "ls", "id", "chmod", "chown", "mkdir", "rm", "mv", "find", "grep", "pgrep",
    "env", "sleep", "touch", "stat", "tar", "dirname", "getent", "cut", "tail", "df", "readlink",
)  # fmt: skip
USER, PASSWORD = "reader", "open-sesame"
GOOGLE_KEY = '{"type": "service_account"}'
_HASH = "$2b$04$wyoDIhRxEOROwAS/FeA7p.Twpbq8atGkgImycKt/lh2ZplYKJq.pq"  # of PASSWORD
_GOOGLE_HASH = "$2b$04$wyoDIhRxEOROwAS/FeA7p.orsjwgiYgp1TZ42lv2roBqVeiDNUBW."  # of GOOGLE_KEY


def entry(name: str, **attributes: object) -> tarfile.TarInfo:
    """Return an entry of a layer."""
    info = tarfile.TarInfo(name)
    info.mode = 0o755
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def folder(name: str) -> tarfile.TarInfo:
    """Return a directory's entry."""
    return entry(name, type=tarfile.DIRTYPE)


def link(name: str, target: str, *, hard: bool = False) -> tarfile.TarInfo:
    """Return a link's entry."""
    return entry(name, type=tarfile.LNKTYPE if hard else tarfile.SYMTYPE, linkname=target)


def layer(entries: Sequence[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return an uncompressed layer with these entries."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for item in entries:
            info, data = item if isinstance(item, tuple) else (item, b"")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def system_layer(more: Sequence[str] = ()) -> bytes:
    """Return a layer with a shell and few programs of this machine, and what they need."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("etc", "usr", "usr/bin", "usr/local", "tmp", "root"):
            archive.addfile(folder(name))
        for name in ("bin", "lib", "lib64", "sbin"):
            archive.addfile(link(name, f"usr/{'bin' if name in ('bin', 'sbin') else name}"))
        for name, text in (
            ("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
            ("etc/group", b"root:x:0:\n"),
        ):
            archive.addfile(entry(name, size=len(text), mode=0o644), io.BytesIO(text))
        for path in _files((*PROGRAMS, *more)):
            archive.add(path.resolve(), f"usr/{path.relative_to('/usr')}")
    return packed.getvalue()


def _files(names: Sequence[str]) -> list[Path]:
    """Return the programs with the libraries that they are linked with, below /usr."""
    programs = [Path("/usr/bin", name) for name in names]
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=True)
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)}
    libraries = {p if p.is_relative_to("/usr") else Path(f"/usr{p}") for p in found}
    return [*programs, *sorted(libraries)]


def write_image(
    target: Path,
    layers: Sequence[bytes],
    env: Sequence[str] = (),
    architecture: str = "",
    more: str = '"more": ""',
) -> None:
    """Write an OCI layout with one image, tagged `it`; `more` is JSON for its description."""
    (target / "blobs/sha256").mkdir(parents=True)
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    config = {
        "architecture": architecture or machine,
        "os": "linux",
        "config": {"Env": list(env)},
        "rootfs": {"type": "layers", "diff_ids": [_digest(data) for data in layers]},
    }
    described = f"{json.dumps(config)[:-1]}, {more}}}"
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": _blob(target, described.encode(), f"{kind}.config.v1+json"),
        "layers": [
            _blob(target, gzip.compress(data, 1), f"{kind}.layer.v1.tar+gzip") for data in layers
        ],
    }
    listed = _blob(target, json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")
    listed["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [listed]}))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(target: Path, data: bytes, kind: str) -> dict[str, object]:
    digest = _digest(data)
    (target / "blobs" / digest.replace(":", "/")).write_bytes(data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


class Registry:
    """A registry on loopback, over plain HTTP."""

    def __init__(self, address: str, login: Sequence[str] = ()) -> None:
        self.address = address
        self._login = login

    def push(self, image: Path, name: str) -> str:
        """Take up the image of a layout; return how clients call it."""
        target = f"{self.address}/{name}"
        source = f"oci:{image}:it"
        command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *self._login]
        subprocess.run([*command, source, f"docker://{target}"], check=True, timeout=60)
        return target


@contextlib.contextmanager
def registry(*, private: bool = False) -> Iterator[Registry]:
    """Run a registry, with a password or without; skip the test where none is installed."""
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: run `make extras`")
    with tempfile.TemporaryDirectory() as place:
        address = f"127.0.0.1:{_free_port()}"
        config = [
            "version: 0.1",
            "log: {level: error, accesslog: {disabled: true}}",
            f"storage: {{filesystem: {{rootdirectory: {place}/data}}}}",
            f"http: {{addr: '{address}'}}",
        ]
        if private:
            Path(place, "passwords").write_text(f"{USER}:{_HASH}\n_json_key:{_GOOGLE_HASH}\n")
            config.append(f"auth: {{htpasswd: {{realm: tests, path: {place}/passwords}}}}")
        Path(place, "config.yml").write_text("\n".join(config))
        command = ["docker-registry", "serve", f"{place}/config.yml"]
        log = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                _wait_for(address)
                yield Registry(address, ["--dest-creds", f"{USER}:{PASSWORD}"] if private else [])
            finally:
                process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the registry did not start"
            time.sleep(0.05)
        else:
            return
