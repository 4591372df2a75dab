"""Another tenant's sandbox: it keeps a value and runs a program, and must notice nothing."""

import asyncio
from dataclasses import dataclass
from typing import Final, Self

from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6_sandbox.attack.loss import CALL_S_MAX, LOST

_PROGRAM: Final = """
import http.server, mmap, os, socket, sys
secret = open('/home/user/value', 'rb').read()
open('/dev/shm/neighbour', 'wb').write(secret)
class Show(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(secret)
http.server.HTTPServer(('0.0.0.0', 8765), Show).serve_forever()
"""


@dataclass(slots=True)
class Neighbour:
    """The sandbox, what it keeps and what runs in it."""

    sandbox: AsyncSandbox
    value: str
    program: int

    @classmethod
    async def settle(cls, sandbox: AsyncSandbox, value: str) -> Self:
        """Let a sandbox keep a value, serve it on its own loopback and hold it in memory."""
        await sandbox.files.write("/home/user/value", value)
        await sandbox.files.write("/home/user/serve.py", _PROGRAM)
        handle = await sandbox.commands.run(
            "exec python3 serve.py", background=True, timeout=0, envs={"VALUE": value}
        )
        return cls(sandbox, value, handle.pid)

    async def complaints(self) -> list[str]:
        """Return what has happened to it, for people."""
        try:
            async with asyncio.timeout(CALL_S_MAX):
                value = await self.sandbox.files.read("/home/user/value")
                running = [process.pid for process in await self.sandbox.commands.list()]
        except LOST as cause:
            return [f"a neighbour does not answer: {type(cause).__name__}: {cause}"]
        found = [] if value == self.value else ["a neighbour's file was changed"]
        return found if self.program in running else [*found, "a neighbour's program was ended"]
