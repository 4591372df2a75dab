"""Getting an image from a registry with skopeo, which speaks the protocol and checks digests.

What it brings is a stranger's: nothing of it is unpacked here, and its layers are checked against
the image's own list once more, uncompressed as they will be unpacked. Where the server is root,
skopeo runs as nobody, in a mount namespace that shows it one folder of the server's.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6_sandbox.host.builds import amazon
from capibara6_sandbox.host.builds.registries import (
    AmazonKey,
    Credentials,
    ImageName,
    ImageRefusedError,
    RegistrySettings,
    check_registry,
    login,
    secrets_of,
)
from capibara6_sandbox.isolation.identity import has_id_ranges

PULL_S_MAX: Final = 1800.0
LAYERS_MAX: Final = 200
_CONFIG_BYTES_MAX: Final = 4 << 20
_STDERR_BYTES_MAX: Final = 64 * 1024
_WATCH_S: Final = 0.5
_NOBODY: Final = 65_534
_SHOWN_AS: Final = "/mnt"  # where skopeo, as nobody, sees its folder
_PASSED_ON: Final = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_AS_NOBODY: Final = (
    'mount --bind "$0" /mnt && exec setpriv --reuid 65534 --regid 65534 --clear-groups '
    '--no-new-privs "$@"'
)
# What skopeo says, and E2B's words for it.
_REASONS: Final = (
    (r"manifest unknown", "image '{}' not found: the image or tag does not exist in the registry"),
    (
        r"name unknown|repository name not known",
        "repository '{}' not found: verify the image name is correct",
    ),
    (
        r"unauthorized|authentication required|invalid username/password",
        "access denied to '{}': authentication required or insufficient permissions",
    ),
    (r"denied", "access denied to '{}': you don't have permission to pull this image"),
)


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image on this server's disk."""

    layers: tuple[tuple[str, Path], ...]  # digest and archive, both uncompressed, lowest first
    env: dict[str, str]


async def pull(
    name: ImageName, credentials: Credentials | None, settings: RegistrySettings, folder: Path
) -> PulledImage:
    """Get an image into an empty folder, which is the caller's to remove.

    Raises:
        ImageRefusedError: it cannot be had; the message is for the client.
    """
    await asyncio.to_thread(check_registry, name.registry, settings)
    if isinstance(credentials, AmazonKey):
        credentials = await asyncio.to_thread(amazon.password, credentials)
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        raise ImageRefusedError(
            f"failed to pull image '{name.asked}': this server needs skopeo for that. Install it "
            "with `make extras`, or your distribution's package of that name."
        )
    arguments = ["copy", "--quiet", "--dest-decompress"]
    if name.registry in settings.insecure:
        arguments.append("--src-tls-verify=false")
    seen = Path(_SHOWN_AS) if has_id_ranges() else folder
    if credentials is not None:
        _write_login(folder / "auth.json", login(name.registry, credentials))
        arguments += ["--src-authfile", str(seen / "auth.json")]
    arguments += [f"docker://{name}", f"dir:{seen}/image"]
    options = ["--override-os", "linux", "--override-arch", _architecture()]
    if "CONTAINERS_REGISTRIES_CONF" in os.environ:  # which older ones do not heed by themselves
        options += ["--registries-conf", os.environ["CONTAINERS_REGISTRIES_CONF"]]
    complaint = await _run([skopeo, *options, *arguments], folder, seen, settings.image_bytes_max)
    if complaint is not None:
        raise ImageRefusedError(_explain(name, complaint, secrets_of(credentials)))
    return await asyncio.to_thread(_read, folder / "image", name)


def _write_login(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)


def _architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


async def _run(command: list[str], folder: Path, seen: Path, bytes_max: int) -> str | None:
    """Run skopeo within its bounds; return what it complains of, None if it succeeded."""
    (folder / "tmp").mkdir()
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"PATH": os.defpath, "HOME": str(seen), "XDG_RUNTIME_DIR": str(seen)}
    environment["TMPDIR"] = str(seen / "tmp")
    command = ["prlimit", f"--fsize={bytes_max}", "--core=0", *command]
    if has_id_ranges():
        await asyncio.to_thread(_give_to_nobody, folder)
        command = ["unshare", "--mount", "sh", "-c", _AS_NOBODY, str(folder), *command]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd="/",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PULL_S_MAX):
            return await _watch(process, folder, bytes_max)
    except TimeoutError:
        return f"it took more than {PULL_S_MAX:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _give_to_nobody(folder: Path) -> None:
    for path in (folder, *folder.iterdir()):
        os.chown(path, _NOBODY, _NOBODY)


async def _watch(process: asyncio.subprocess.Process, folder: Path, bytes_max: int) -> str | None:
    assert process.stderr is not None
    heard = asyncio.create_task(_hear(process.stderr))
    ended = asyncio.create_task(process.wait())
    try:
        while not ended.done():
            await asyncio.wait([ended], timeout=_WATCH_S)
            if await asyncio.to_thread(_size, folder) > bytes_max:
                return _too_large(bytes_max)
        text = await heard
        if process.returncode == -signal.SIGXFSZ or "file too large" in text:
            return _too_large(bytes_max)
        return None if process.returncode == 0 else text or f"status {process.returncode}"
    finally:
        heard.cancel()
        ended.cancel()


def _too_large(bytes_max: int) -> str:
    return f"its layers are larger than {bytes_max:,} bytes together, unpacked (--image-size)"


async def _hear(stream: asyncio.StreamReader) -> str:
    """Read to the end; keep the last part."""
    text = b""
    while piece := await stream.read(_STDERR_BYTES_MAX):
        text = (text + piece)[-_STDERR_BYTES_MAX:]
    return text.decode("utf-8", "replace")


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total


def _explain(name: ImageName, complaint: str, secrets: Iterable[str]) -> str:
    for pattern, text in _REASONS:
        if re.search(pattern, complaint, re.IGNORECASE):
            return text.format(name.asked)
    lines = complaint.strip().splitlines()
    told = re.search(r'msg="(.*)"$', lines[-1]) if lines else None
    reason = told[1].replace('\\"', '"') if told else (lines or [""])[-1]
    for secret in secrets:
        reason = reason.replace(secret, "***")
    return f"failed to pull image '{name.asked}': {reason[:500]}"


def _read(image: Path, name: ImageName) -> PulledImage:
    """Read what was pulled, and check its layers.

    Raises:
        ImageRefusedError: it is for another processor, damaged, or no image.
    """
    try:
        manifest = _json(image / "manifest.json")
        config = _json(image / _hex(manifest["config"]["digest"]))
        archives = [image / _hex(layer["digest"]) for layer in manifest["layers"]]
        digests = [str(digest) for digest in config["rootfs"]["diff_ids"]]
        made_for = config.get("architecture")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as cause:
        text = f"failed to inspect image '{name.asked}': {type(cause).__name__}: {cause}"
        raise ImageRefusedError(text[:500]) from None
    if made_for != _architecture():
        text = f"image architecture {str(made_for)[:40]!r} does not match expected "
        raise ImageRefusedError(f"{text}'{_architecture()}'")
    if len(digests) != len(archives) or len(digests) > LAYERS_MAX:
        raise ImageRefusedError(
            f"image '{name.asked}' has {len(archives)} layers; allowed: {LAYERS_MAX}"
        )
    for digest, archive in zip(digests, archives, strict=True):
        if digest != _digest(archive):
            raise ImageRefusedError(f"image '{name.asked}': a layer is not what its digest says")
    return PulledImage(tuple(zip(digests, archives, strict=True)), _variables(config))


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _CONFIG_BYTES_MAX:
        raise ValueError(f"{path.name} is larger than {_CONFIG_BYTES_MAX:,} bytes")
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise TypeError(f"{path.name} is no JSON object")
    return found


def _hex(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or re.fullmatch(r"[0-9a-f]{64}", value) is None:
        raise ValueError(f"a digest of another form: {digest[:80]!r}")
    return value


def _digest(archive: Path) -> str:
    with archive.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _variables(config: dict[str, Any]) -> dict[str, str]:
    """Return an image's variables, as E2B reads them: those that have a name and a value."""
    settings = config.get("config")
    listed = settings.get("Env") if isinstance(settings, dict) else None
    variables: dict[str, str] = {}
    for entry in listed if isinstance(listed, list) else []:
        name, _, value = str(entry).partition("=")
        if name.strip() and value.strip() and "\0" not in entry:
            variables[name.strip()] = value.strip()
    return variables
