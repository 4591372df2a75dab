"""FROM an image: its layers are unpacked one by one, each in a sandbox over those before.

So a stranger's archive is read only inside, a layer that several images share is unpacked once,
and a build holds no more than its largest layer in memory. Then the image gets what every sandbox
has: accounts, names and addresses.
"""

import asyncio
import os
import platform
import tempfile
from pathlib import Path
from typing import Final

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.build_records import Build, CachedStep, StepContext
from capibara6_sandbox.host.builds.pulling import PulledImage, pull
from capibara6_sandbox.host.builds.recipe import Recipe, base_key, image_key, layer_key
from capibara6_sandbox.host.builds.registries import ImageName, ImageRefusedError
from capibara6_sandbox.host.builds.stages import (
    BASE_STEP,
    BuildError,
    Say,
    Stage,
    Tools,
    working_limits,
)
from capibara6_sandbox.host.guest_client import GuestClient, GuestLostError
from capibara6_sandbox.host.programs import Program, ProgramFailedError, run
from capibara6_sandbox.isolation.limits import MIB
from capibara6_sandbox.isolation.rootfs import DNS_ADDRESS
from capibara6_sandbox.templates.catalog import IMAGE

# E2B's own images, by the templates here that stand for them.
_IMAGES: Final = {"e2bdev/base": "base", "e2bdev/code-interpreter": "code-interpreter-v1"}
_CHUNK_BYTES: Final = 1 << 20
_PROVISION_S_MAX: Final = 300.0
# As E2B provisions an image, as far as it can matter here: no init system, clock or SSH server.
_PROVISION: Final = r"""
set -e
mkdir -p /tmp /var/tmp /run /root /code && chmod 1777 /tmp /var/tmp && chmod 777 /code
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$(cat /etc/hostname)" > /etc/hosts
rm -f /etc/resolv.conf && echo "nameserver {dns}" > /etc/resolv.conf
if ! [ -x /bin/bash ]; then
    command -v apk >/dev/null || {{ echo 'it has no /bin/bash, nor apk to get it' >&2; exit 1; }}
    apk add --no-cache bash shadow
fi
if ! id -u user >/dev/null 2>&1; then
    if command -v useradd >/dev/null && [ "$(id -u)" = 0 ]; then
        useradd -m -s /bin/bash user
    else
        echo 'user:x:1000:1000::/home/user:/bin/bash' >> /etc/passwd
        echo 'user:x:1000:' >> /etc/group
    fi
fi
mkdir -p /home/user
[ "$(id -u)" != 0 ] || chown -R user: /home/user
[ ! -d /usr/local ] || find /usr/local -type d -exec chmod 777 {{}} +
"""


def own_template_for(image: str) -> str:
    """Return the template that stands for an image of E2B's own; "" for any other image."""
    return _IMAGES.get(image.partition(":")[0], "")


class ImageBase:
    """The first stage of a build from an image; use `stage` once."""

    def __init__(self, tools: Tools, build: Build, recipe: Recipe, say: Say) -> None:
        self._tools = tools
        self._build = build
        self._recipe = recipe
        self._say = say

    async def stage(self) -> Stage:
        """Return the image as a stage; pull it unless it was pulled before.

        Raises:
            BuildError: it cannot be had, or is none.
            LayerError, StartError: this machine refused something.
        """
        try:
            name = ImageName.parse(self._recipe.fromImage or "")
            key = image_key(str(name), platform.machine())
            made = None if self._recipe.force else self._tools.cached(key, self._build)
            if made is None:
                made = await self._make(name, key)
            else:
                self._say(f"CACHED [base] FROM {name}")
        except ImageRefusedError as cause:
            raise BuildError(str(cause), BASE_STEP) from None
        start = base_key(IMAGE.name, made.layers, made.context)
        return Stage(start, IMAGE.name, made.layers, made.context)

    async def _make(self, name: ImageName, key: str) -> CachedStep:
        pulls = self._tools.foundry.data / "pulls"
        pulls.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=pulls, ignore_cleanup_errors=True) as folder:
            self._say(f"[base] Pulling {name}")
            registries, credentials = self._tools.registries, self._recipe.fromImageRegistry
            image = await pull(name, credentials, registries, Path(folder))
            layers = await self._unpack(image)
        context = StepContext(env=image.env)
        return self._keep(key, layers, context)

    async def _unpack(self, image: PulledImage) -> tuple[str, ...]:
        key, layers = layer_key("", IMAGE.name), tuple[str, ...]()
        for digest, archive in image.layers:
            key = layer_key(key, digest)
            made = self._tools.cached(key, self._build)
            if made is None:
                self._say(f"[base] Unpacking layer {digest[:19]}")
                layers = await self._add_layer(layers, archive)
                self._keep(key, layers, StepContext())
            else:
                layers = made.layers
        return await self._provision(key, layers)

    def _keep(self, key: str, layers: tuple[str, ...], context: StepContext) -> CachedStep:
        owner = self._build.template_id
        step = CachedStep(id=key, template_id=owner, layers=layers, context=context)
        self._tools.library.keep_step(step)
        return step

    async def _add_layer(self, below: tuple[str, ...], archive: Path) -> tuple[str, ...]:
        size = await asyncio.to_thread(os.path.getsize, archive)
        limits = working_limits(self._build, size + size // 4 + 64 * MIB)
        check_memory(size, limits.disk_bytes, _memory_bytes_free())
        async with self._tools.machine(self._build, IMAGE.name, below, limits) as machine:
            try:
                await _send(machine.guest, archive)
            except (CallError, GuestLostError) as cause:
                text = f"failed to unpack a layer of the image: {cause}"
                raise BuildError(text, BASE_STEP) from None
            return await self._tools.save(machine)

    async def _provision(self, key: str, below: tuple[str, ...]) -> tuple[str, ...]:
        key = layer_key(key, _PROVISION)
        made = self._tools.cached(key, self._build)
        if made is not None:
            return made.layers
        self._say("[base] Provisioning sandbox template")
        limits = working_limits(self._build, self._tools.disk_bytes)
        async with self._tools.machine(self._build, IMAGE.name, below, limits) as machine:
            script = _PROVISION.format(dns=DNS_ADDRESS)
            program = Program(script, "root", "/", {}, _PROVISION_S_MAX, interpreter="/bin/sh")
            errors: list[str] = []
            try:
                await run(machine.guest, program, lambda _, line: errors.append(line))
            except ProgramFailedError as cause:
                why = "; ".join(errors[-5:]) or str(cause)
                raise BuildError(f"error provisioning sandbox: {why[:1000]}", BASE_STEP) from None
            layers = await self._tools.save(machine)
        self._keep(key, layers, StepContext())
        return layers


def check_memory(size: int, needed: int, free: int) -> None:
    """Refuse a layer that would take the machine's memory, in which it lies while it is unpacked.

    Raises:
        BuildError: so it is.
    """
    if needed > free:
        text = f"a layer of the image is {size:,} bytes large, unpacked; it needs {needed:,} bytes "
        text += f"of memory meanwhile, and {free:,} are free on this machine"
        raise BuildError(text, BASE_STEP)


def _memory_bytes_free() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        sizes = {name: int(kib) for name, kib, *_ in (line.split() for line in file)}
    return sizes["MemAvailable:"] * 1024


async def _send(guest: GuestClient, archive: Path) -> None:
    async with guest.call("image.unpack") as call:
        with archive.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                await call.send_data(piece)
        await call.end_data()
        async for _ in call.events():
            pass
