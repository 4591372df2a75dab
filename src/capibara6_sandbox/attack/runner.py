"""Runs hostile programs, each in a sandbox of its own, and lets what is outside judge them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from e2b import AsyncCommandHandle
from e2b.exceptions import SandboxException
from e2b_code_interpreter import AsyncSandbox

from capibara6_sandbox.attack import insides, measuring
from capibara6_sandbox.attack.decoys import Decoys, new_secret
from capibara6_sandbox.attack.insides import Insides
from capibara6_sandbox.attack.oracles import ORACLES, Ceilings, Scene, judge
from capibara6_sandbox.attack.output import Output
from capibara6_sandbox.attack.programs import FOLDER, Program
from capibara6_sandbox.attack.provider import Provider
from capibara6_sandbox.attack.settings import Settings
from capibara6_sandbox.templates.catalog import TEMPLATES

KERNEL_TEMPLATE: Final = "code-interpreter-v1"
_LIFETIME_S: Final = 300
_POLL_S: Final = 0.01
_CALL_S_MAX: Final = 20.0
_ENDED_S_MAX: Final = 5.0
_WITHOUT_GROUPS: Final = ("memory", "processor")  # not promised where there are no cgroups
_LOST: Final = (SandboxException, httpx.HTTPError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one program."""

    program: Program
    breaches: tuple[str, ...]  # none: it was contained
    met: tuple[str, ...] = ()  # what the program says it met; proves nothing
    unseen: tuple[str, ...] = ()  # its own oracles that could not be asked here
    skipped: str = ""  # why it was not run
    seconds: float = 0.0

    @property
    def contained(self) -> bool:
        """Whether nothing outside was touched; false too if it was not run."""
        return not self.breaches and not self.skipped


@dataclass(slots=True)
class Neighbour:
    """Another tenant's sandbox, which must notice nothing."""

    sandbox: AsyncSandbox
    value: str
    program: int

    async def complaints(self) -> list[str]:
        """Return what has happened to it, for people."""
        try:
            async with asyncio.timeout(_CALL_S_MAX):
                value = await self.sandbox.files.read("/home/user/value")
                running = [process.pid for process in await self.sandbox.commands.list()]
        except _LOST as cause:
            return [f"a neighbour does not answer: {type(cause).__name__}: {cause}"]
        found = [] if value == self.value else ["a neighbour's file was changed"]
        return found if self.program in running else [*found, "a neighbour's program was ended"]


_NEIGHBOUR: Final = """
import http.server, mmap, os, socket, sys
secret = open('/home/user/value', 'rb').read()
open('/dev/shm/neighbour', 'wb').write(secret)
class Show(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(secret)
http.server.HTTPServer(('0.0.0.0', 8765), Show).serve_forever()
"""


# What every new sandbox of a template has in common.
_FINGERPRINT: Final = """
python=$(readlink -f /opt/venv/bin/python || command -v python3)
cksum "$python" /bin/bash /etc/passwd /etc/ld.so.preload /etc/profile 2>/dev/null
ls -A1 / /tmp /var/tmp /home/user /dev/shm /root /etc /usr/bin /opt /opt/venv/bin | cksum
find /opt/venv /usr/lib/python3 -maxdepth 5 -name '*.pth' -o -name '*customize.py' 2>/dev/null | sort
find /opt/capibara6 -type f 2>/dev/null | sort | xargs cat 2>/dev/null | cksum
env | grep -v -e HOST -e PWD -e _ID | sort
ls -A1 /tmp /home/user /dev/shm /var/tmp
"""


@dataclass(slots=True)
class Attack:
    """One attack on a provider."""

    provider: Provider
    template: str
    decoys: Decoys
    settings: Settings
    _neighbour: Neighbour | None = None
    _tools: dict[str, bool] = field(default_factory=dict)
    _fresh_ones: dict[str, str] = field(default_factory=dict)  # fingerprint, by template

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator["Attack"]:
        """Start the neighbour, and see what programs the sandboxes have."""
        sandbox = await self._create(self.template)
        try:
            self._neighbour = await self._settle(sandbox)
            self.decoys.secrets |= self.provider.secrets
            await self._find_tools(sandbox)
            await self._fresh(self.template)
            self.settings.changes()
            yield self
        finally:
            with contextlib.suppress(*_LOST):
                await sandbox.kill()

    async def _create(self, template: str) -> AsyncSandbox:
        made: AsyncSandbox = await AsyncSandbox.create(
            template, timeout=_LIFETIME_S, **self.provider.options
        )
        return made

    async def _settle(self, sandbox: AsyncSandbox) -> Neighbour:
        value = new_secret()
        self.decoys.secrets["value of a neighbour"] = value
        await sandbox.files.write("/home/user/value", value)
        await sandbox.files.write("/home/user/serve.py", _NEIGHBOUR)
        handle = await sandbox.commands.run(
            "exec python3 serve.py", background=True, timeout=0, envs={"VALUE": value}
        )
        return Neighbour(sandbox, value, handle.pid)

    async def _find_tools(self, sandbox: AsyncSandbox) -> None:
        for tool in ("python3", "bash", "cc", "node", "perl", "sudo"):
            shown = await sandbox.commands.run(f"command -v {tool} || true")
            self._tools[tool] = bool(shown.stdout.strip())

    def lacking(self, program: Program) -> str:
        """Return why a program cannot be run here; "" if it can."""
        lacking = [tool for tool in program.tools if not self._tools.get(tool)]
        return f"no program {', '.join(lacking)} in the sandbox" if lacking else ""

    async def run(self, program: Program) -> Verdict:
        """Run one program, and judge it."""
        if why := self.lacking(program):
            return Verdict(program, (), skipped=why)
        began_s = time.monotonic()
        template = KERNEL_TEMPLATE if program.via == "cell" else self.template
        try:
            sandbox = await self._create(template)
        except _LOST as cause:
            lost = f"no sandbox could be made: {type(cause).__name__}: {cause}"
            return Verdict(program, (lost,), seconds=time.monotonic() - began_s)
        output = Output(self.decoys.found_in)
        own: list[str] = []
        scene = self._scene(program, sandbox.sandbox_id, template)
        try:
            await self._perform(program, sandbox, output, scene)
            own = judge(scene) if scene else []
            await self._read(program, sandbox, output)
        finally:
            outlived = await self._end(sandbox, scene)
        breaches = [*own, *sorted(output.leaks), *outlived, *await self._around()]
        if "fresh" in program.oracles:
            breaches += await self._fresh(template)
        unseen = _unseen(program, scene, self.provider)
        seconds = time.monotonic() - began_s
        return Verdict(program, tuple(breaches), tuple(output.met), unseen, "", seconds)

    def _scene(self, program: Program, sandbox_id: str, template: str) -> Scene | None:
        found = Insides.find(sandbox_id) if self.provider.pid else None
        if found is None:
            return None
        limits = TEMPLATES[template].limits if template in TEMPLATES else None
        ceilings = Ceilings()
        if limits is not None:
            ceilings = Ceilings(limits.memory_bytes, limits.cpus, limits.disk_bytes)
        if not found.group_folders:
            ceilings.memory_bytes, ceilings.cpus = 0, 0
        return Scene(program, found, ceilings)

    async def _perform(
        self, program: Program, sandbox: AsyncSandbox, output: Output, scene: Scene | None
    ) -> None:
        """Run the program until it holds still, ends, or its time is over; leave it as it is."""
        watching = None
        if scene is not None and measuring.wants_measuring(scene):
            watching = asyncio.create_task(measuring.watch(scene))
        try:
            async with asyncio.timeout(program.seconds):
                await self._start(program, sandbox, output)
        except _LOST as cause:  # what has become of the sandbox is for the oracles to say
            output.take(f"\n@{type(cause).__name__} {str(cause)[:100]}\n")
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.wait([watching])

    async def _start(self, program: Program, sandbox: AsyncSandbox, output: Output) -> None:
        env = {**self.decoys.variables, **dict(program.env)}
        if program.via == "cell":
            await self._run_cell(program, sandbox, output, env)
            return
        files: list[Any] = [{"path": path, "data": text} for path, text in program.files.items()]
        await sandbox.files.write_files(files)
        handle = await sandbox.commands.run(
            program.command,
            background=True,
            user=program.user,
            envs=env,
            cwd=FOLDER,
            timeout=0,
            on_stdout=output.take,
            on_stderr=output.take,
        )
        ended = asyncio.create_task(_ended(handle, output))
        try:
            while not output.held and not ended.done():
                await asyncio.sleep(_POLL_S)
        finally:
            ended.cancel()

    async def _run_cell(
        self, program: Program, sandbox: AsyncSandbox, output: Output, env: dict[str, str]
    ) -> None:
        execution = await sandbox.run_code(
            program.code,
            envs=env,
            timeout=program.seconds,
            on_stdout=lambda message: output.take(message.line),
            on_stderr=lambda message: output.take(message.line),
            on_result=lambda result: output.take(str(result)[:100_000]),
        )
        if execution.error is not None:
            output.take(f"\n@{execution.error.name} {execution.error.value[:200]!r}\n")

    async def _read(self, program: Program, sandbox: AsyncSandbox, output: Output) -> None:
        """Read what the program would have the file API read."""
        for path in program.reads:
            full = path.replace("$CANARY", str(self.decoys.canary))
            for user in ("user", "root"):
                try:
                    async with asyncio.timeout(_CALL_S_MAX):
                        content = await sandbox.files.read(full, format="bytes", user=user)
                    output.take(f"\n@read {len(content)} bytes\n")
                    output.take(content.decode("latin-1"))
                except _LOST as cause:
                    output.take(f"\n@{type(cause).__name__} reading as {user}: {str(cause)[:80]}\n")

    async def _end(self, sandbox: AsyncSandbox, scene: Scene | None) -> list[str]:
        """Kill the sandbox; return what outlived it."""
        left = {pid: _started(pid) for pid in scene.insides.processes()} if scene else {}
        try:
            async with asyncio.timeout(_CALL_S_MAX):
                await sandbox.kill()
        except _LOST as cause:
            return [f"the sandbox could not be killed: {type(cause).__name__}: {cause}"]
        if scene is None:
            return []
        deadline_s = time.monotonic() + _ENDED_S_MAX
        while found := _outlived(left, scene):
            if time.monotonic() > deadline_s:
                return found
            await asyncio.sleep(0.05)
        return []

    async def _fresh(self, template: str) -> list[str]:
        """Return what a new sandbox has of those before it, for people."""
        try:
            sandbox = await self._create(template)
            try:
                now = (await sandbox.commands.run(_FINGERPRINT, user="root")).stdout
            finally:
                await sandbox.kill()
        except _LOST as cause:
            return [f"a new sandbox does not answer: {type(cause).__name__}: {cause}"]
        before = self._fresh_ones.setdefault(template, now)
        differing = set(now.splitlines()) ^ set(before.splitlines())
        return [f"new sandboxes changed: {line}" for line in sorted(differing)[:3]]

    async def _around(self) -> list[str]:
        """Return what has happened around the program."""
        assert self._neighbour is not None
        return [
            *self.decoys.trespasses(),
            *self.settings.changes(),
            *await self.provider.complaints(),
            *await self._neighbour.complaints(),
        ]


async def _ended(handle: AsyncCommandHandle[str], output: Output) -> None:
    """Wait for the end of a command, and note it."""
    try:
        result = await handle.wait()
        output.take(f"\n@ended with {result.exit_code}\n")
    except _LOST as cause:
        output.take(f"\n@{type(cause).__name__} {str(cause)[:100]}\n")


def _unseen(program: Program, scene: Scene | None, provider: Provider) -> tuple[str, ...]:
    names = [oracle.partition(" ")[0] for oracle in program.oracles]
    if scene is None:
        return tuple(names)
    return tuple(n for n in names if n in _WITHOUT_GROUPS and not scene.insides.group_folders)


def _started(pid: int) -> str:
    """Return when a process began: with its id, what tells it from all others."""
    fields = insides.text(pid, "stat").rpartition(")")[2].split()
    return fields[19] if fields else ""


def _outlived(before: dict[int, str], scene: Scene) -> list[str]:
    found = [
        f"process {pid} outlived its sandbox"
        for pid, start in before.items()
        if start and _started(pid) == start
    ]
    found += [f"{folder} outlived its sandbox" for folder in insides.groups(scene.insides.sandbox_id)]
    return found[:3]


def check_oracles(programs: Iterable[Program]) -> list[str]:
    """Return the names of oracles that programs ask for and nobody has, for the tests."""
    asked = {oracle.partition(" ")[0] for program in programs for oracle in program.oracles}
    return sorted(asked - set(ORACLES))
