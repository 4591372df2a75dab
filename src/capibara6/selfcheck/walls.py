"""Behaviours of walls and limits: the basics. `capibara6 doctor --attack` goes further."""

import asyncio
import contextlib
import os
from typing import Final

import httpx
from e2b.exceptions import SandboxException
from e2b.sandbox.commands.command_handle import CommandExitException

from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe, expect, expect_true

# One byte of whatever answers there; a connection alone may be the provider's own proxy.
_ASK: Final = (
    'timeout 10 bash -c \'exec 3<>/dev/tcp/{address}/80; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3;'
    " head -c 1 <&3' 2>/dev/null; true"
)
_METADATA: Final = _ASK.format(address="169.254.169.254")
_OUTSIDE: Final = _ASK.format(address="1.1.1.1")
_SERVE: Final = "cd /home/user && echo served > index.html && python3 -m http.server 8123"
_SERVED_S_MAX: Final = 20.0
_FILL_MEMORY: Final = "blocks = []\nwhile True: blocks.append(bytearray(50_000_000))"
_FILL_DISK: Final = "dd if=/dev/zero of=/home/user/full bs=1M count=200000 2>&1; rm /home/user/full"


async def _ordinary_user(probe: Probe) -> None:
    done = await (await probe.sandbox()).commands.run("id -u; grep CapEff /proc/self/status")
    expect_true(not done.stdout.startswith("0\n"), "programs run as root")
    expect_true("CapEff:\t0000000000000000" in done.stdout, f"capabilities: {done.stdout!r}")


async def _apart(probe: Probe) -> None:
    first = await probe.sandbox()
    await first.files.write("/tmp/mine", "1")  # noqa: S108 - the sandbox's own
    running = await first.commands.run("exec -a self-check-sleep sleep 60", background=True)
    async with probe.own() as second:
        expect(await second.files.exists("/tmp/mine"), False, "another sandbox sees a file")  # noqa: S108
        seen = await second.commands.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        expect_true("self-check-sleep" not in seen.stdout, "another sandbox sees a program")
    await running.kill()


async def _refused(probe: Probe) -> None:
    commands = (await probe.sandbox()).commands
    for command in ("mount -t tmpfs none /mnt", "date -s 2001-01-01", "cat /dev/mem"):
        try:
            await commands.run(command)
        except CommandExitException:
            continue
        raise DiffersError(f"`{command}` succeeds")


async def _metadata(probe: Probe) -> None:
    done = await (await probe.sandbox()).commands.run(_METADATA)
    expect(done.stdout, "", "what the machine's metadata service answers")


async def _offline(probe: Probe) -> None:
    async with probe.own(allow_internet_access=False) as sandbox:
        expect((await sandbox.commands.run(_OUTSIDE)).stdout, "", "what answers from outside")


async def _preview(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    running = await sandbox.commands.run(_SERVE, background=True)
    try:
        expect(await _served(probe, sandbox.sandbox_id, sandbox.get_host(8123)), "served\n", "page")
    finally:
        await running.kill()


async def _served(probe: Probe, sandbox_id: str, host: str) -> str:
    """Ask for a page as clients do; of a server on loopback, by headers, for names may not lead."""
    url, headers = f"https://{host}", {}
    local = probe.options.get("sandbox_url") or os.environ.get("E2B_SANDBOX_URL")
    if local:
        url, headers = local, {"E2b-Sandbox-Id": sandbox_id, "E2b-Sandbox-Port": "8123"}
    text = "no answer"
    async with httpx.AsyncClient(trust_env=not local) as client:
        for _ in range(int(_SERVED_S_MAX / 0.5)):
            with contextlib.suppress(httpx.HTTPError):
                reply = await client.get(url, headers=headers)
                text = reply.text
                if reply.status_code == httpx.codes.OK:
                    return text
            await asyncio.sleep(0.5)
    raise DiffersError(f"a service's page is not served: {text:.200}")


async def _memory(probe: Probe) -> None:
    other = await probe.sandbox()
    async with probe.own() as sandbox:
        with contextlib.suppress(SandboxException, httpx.HTTPError):  # it may end as a whole
            error = (await sandbox.run_code(_FILL_MEMORY, timeout=90)).error
            expect_true(error is not None, "a program had all the memory that it asked for")
        expect((await other.run_code("1")).text, "1", "a cell of another sandbox")


async def _disk(probe: Probe) -> None:
    async with probe.own() as sandbox:
        done = await sandbox.commands.run(_FILL_DISK, timeout=90)
        expect_true("No space left" in done.stdout, f"a full disk is not told: {done.stdout:.200}")
        await sandbox.files.write("/home/user/after", "1")


BEHAVIOURS: Final = (
    Behaviour("programs are an ordinary user's", _ordinary_user),
    Behaviour("sandboxes are apart", _apart),
    Behaviour("mounts, clocks, devices are refused", _refused),
    Behaviour("no metadata service", _metadata),
    Behaviour("no Internet, if asked", _offline),
    Behaviour("services are reached from outside", _preview),
    Behaviour("memory ends somewhere", _memory),
    Behaviour("the disk ends somewhere", _disk, required=False),
)
