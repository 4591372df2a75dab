"""Runs hostile programs, each in a sandbox of its own, and lets what is outside judge them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from e2b import AsyncCommandHandle
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6_sandbox.attack import measuring
from capibara6_sandbox.attack.decoys import Decoys, new_secret
from capibara6_sandbox.attack.insides import Insides
from capibara6_sandbox.attack.loss import CALL_S_MAX, LOST
from capibara6_sandbox.attack.neighbour import Neighbour
from capibara6_sandbox.attack.oracles import judge
from capibara6_sandbox.attack.output import Output
from capibara6_sandbox.attack.programs import FOLDER, Program
from capibara6_sandbox.attack.provider import Provider
from capibara6_sandbox.attack.questions import Asking, ask, fingerprint
from capibara6_sandbox.attack.remains import end_outlived, outlived, started
from capibara6_sandbox.attack.scene import Ceilings, Scene
from capibara6_sandbox.attack.settings import Settings
from capibara6_sandbox.attack.verdicts import Verdict
from capibara6_sandbox.templates.catalog import TEMPLATES

KERNEL_TEMPLATE: Final = "code-interpreter-v1"
_LIFETIME_S: Final = 300
_NEIGHBOUR_S: Final = 3600
_READ_BYTES_MAX: Final = 1 << 20
_WITHOUT_GROUPS: Final = ("memory", "processor")  # not promised where there are no cgroups


@dataclass(slots=True)
class Attack:
    """One attack on a provider."""

    provider: Provider
    template: str
    decoys: Decoys
    settings: Settings
    programs: Sequence[Program]
    grace_s: float = 5.0  # in which the processes of a killed sandbox must be gone
    _neighbour: Neighbour | None = None
    _tools: dict[str, bool] = field(default_factory=dict)
    _fingerprints: dict[str, str] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator["Attack"]:
        """Start the neighbour, and see what programs the sandboxes have."""
        sandbox = await self._create(self.template, _NEIGHBOUR_S)
        try:
            value = self.decoys.secrets["value of a neighbour"] = new_secret()
            self._neighbour = await Neighbour.settle(sandbox, value)
            self.decoys.secrets |= self.provider.secrets
            await self._find_tools(sandbox)
            for template in {self._template(program) for program in self.programs}:
                self._fingerprints[template] = await fingerprint(self._create, template)
            self.settings.changes()
            yield self
        finally:
            with contextlib.suppress(*LOST):
                await sandbox.kill()

    def _template(self, program: Program) -> str:
        return KERNEL_TEMPLATE if program.via == "cell" else self.template

    async def _create(self, template: str, timeout_s: int = _LIFETIME_S) -> AsyncSandbox:
        made: AsyncSandbox = await AsyncSandbox.create(
            template, timeout=timeout_s, **self.provider.options
        )
        return made

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
        template = self._template(program)
        try:
            sandbox = await self._create(template)
        except LOST as cause:
            lost = f"no sandbox could be made: {type(cause).__name__}: {cause}"
            return Verdict(program, (lost,), seconds=time.monotonic() - began_s)
        output = Output(self.decoys.found_in)
        own: list[str] = []
        scene = self._scene(program, sandbox.sandbox_id, template)
        asking = Asking(program, sandbox, output, template, self._create, self._fingerprints)
        asking.isolation = self.provider.isolation
        try:
            await self._perform(program, sandbox, output, scene)
            own = judge(scene) if scene else []
            own += await ask(asking)
            await self._read(program, sandbox, output)
        finally:
            left = await self._end(sandbox, scene)
        breaches = [*own, *sorted(output.leaks), *left, *await self._around()]
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
            ceilings = Ceilings(limits.memory_bytes, limits.cpus, limits.disk_bytes, limits.inodes)
        if not found.group_folders:
            ceilings.memory_bytes, ceilings.cpus = 0, 0
        return Scene(
            program,
            found,
            ceilings,
            server_pid=self.provider.pid,
            addresses=self.decoys.addresses,
        )

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
        except LOST as cause:  # what has become of the sandbox is for the oracles to say
            output.take(f"\n@{type(cause).__name__} {str(cause)[:100]}\n")
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.wait([watching])

    async def _start(self, program: Program, sandbox: AsyncSandbox, output: Output) -> None:
        env = {**self.decoys.variables, **dict(program.env)}
        env["C6_API_PORT"] = str(urlsplit(sandbox.connection_config.api_url).port or 443)
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
        held = asyncio.create_task(output.held.wait())
        try:
            await asyncio.wait([ended, held], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            held.cancel()

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
                    async with asyncio.timeout(CALL_S_MAX):
                        content = await _beginning(sandbox, full, user)
                    output.take(f"\n@read {len(content)} bytes\n{content.decode('latin-1')}")
                except LOST as cause:
                    output.take(f"\n@{type(cause).__name__} reading as {user}: {str(cause)[:80]}\n")

    async def _end(self, sandbox: AsyncSandbox, scene: Scene | None) -> list[str]:
        """Kill the sandbox; return what outlived it."""
        running = {pid: started(pid) for pid in scene.insides.processes()} if scene else {}
        try:
            async with asyncio.timeout(CALL_S_MAX):
                await sandbox.kill()
        except LOST as cause:
            return [f"the sandbox could not be killed: {type(cause).__name__}: {cause}"]
        if scene is None:
            return []
        deadline_s = time.monotonic() + self.grace_s
        while found := outlived(running, scene):
            if time.monotonic() > deadline_s:
                end_outlived(running)
                return found
            await asyncio.sleep(0.05)
        return []

    async def _around(self) -> list[str]:
        """Return what has happened around the program."""
        assert self._neighbour is not None
        return [
            *self.decoys.trespasses(),
            *self.settings.changes(),
            *await self.provider.complaints(),
            *await self._neighbour.complaints(),
        ]


async def _beginning(sandbox: AsyncSandbox, path: str, user: str) -> bytes:
    """Read what a file begins with: a hostile one may have no end."""
    stream = await sandbox.files.read(path, format="stream", user=user)
    read = b""
    try:
        async for piece in stream:
            read += piece
            if len(read) >= _READ_BYTES_MAX:
                break
    finally:
        await stream.aclose()
    return read


async def _ended(handle: AsyncCommandHandle[str], output: Output) -> None:
    """Wait for the end of a command, and note it."""
    try:
        result = await handle.wait()
        output.take(f"\n@ended with {result.exit_code}\n")
    except LOST as cause:
        output.take(f"\n@{type(cause).__name__} {str(cause)[:100]}\n")


def _unseen(program: Program, scene: Scene | None, provider: Provider) -> tuple[str, ...]:
    names = [oracle.partition(" ")[0] for oracle in program.oracles]
    if scene is None:
        return tuple(names)
    return tuple(n for n in names if n in _WITHOUT_GROUPS and not scene.insides.group_folders)
