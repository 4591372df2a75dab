"""One sandbox in use: previews, a watcher and a terminal at once, and whether each answer comes."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
from e2b import PtySize
from e2b.sandbox.filesystem.watch_handle import FilesystemEvent, FilesystemEventType
from e2b_code_interpreter import AsyncSandbox

ANSWER_S_MAX = 60.0  # what takes longer counts as lost
EVENTS_PER_FILE = 3  # create, chmod, write
PORT = 8000
_FOLDER = "/home/user/watched"
_SERVICE = """
import http.server, itertools, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        self.send_response(200)
        if self.path != "/ticks":
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())
            return
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in itertools.count():
            self.wfile.write(b"data: %d\\n\\n" % number)
            time.sleep(1)
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
Server(("127.0.0.1", PORT), Handler).serve_forever()
""".replace("PORT", str(PORT))


@dataclass
class Tally:
    """What all tenants have asked for, by kind: seconds until each answer, and what never came."""

    answers_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost: list[str] = field(default_factory=list)


class Tenant:
    """Uses one sandbox until told to stop."""

    def __init__(self, sandbox: AsyncSandbox, url: str, tally: Tally) -> None:
        self._sandbox = sandbox
        self._tally = tally
        self._host = f"{PORT}-{sandbox.sandbox_id}.localhost"
        self._previews = httpx.AsyncClient(
            base_url=url, headers={"Host": self._host}, timeout=ANSWER_S_MAX
        )
        self._terminal = b""
        self._events: dict[str, int] = defaultdict(int)

    async def live(self, stop: asyncio.Event, pause_s: float) -> None:
        """Use the sandbox, round after round, `pause_s` apart."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._previews.aclose)
            await self._open(stack)
            ticks = asyncio.create_task(self._follow_ticks(stop))
            number = 0
            while not stop.is_set():
                number += 1
                await asyncio.gather(
                    self._timed("preview", number, self._ask_preview),
                    self._timed("terminal", number, self._ask_terminal),
                    self._timed("watcher", number, self._ask_watcher),
                    self._timed("run_code", number, self._ask_kernel),
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
            await ticks

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        files, commands = self._sandbox.files, self._sandbox.commands
        await files.write("/home/user/service.py", _SERVICE)
        await commands.run("python /home/user/service.py", background=True, timeout=0)
        await files.make_dir(_FOLDER)
        watcher = await files.watch_dir(_FOLDER, self._on_event, timeout=0)
        stack.push_async_callback(watcher.stop)
        terminal = await self._sandbox.pty.create(PtySize(24, 80), self._on_data, timeout=0)
        stack.push_async_callback(terminal.kill)
        self._send = lambda text: self._sandbox.pty.send_stdin(terminal.pid, text.encode())
        await self._send('stty -echo; while read -r line; do echo "<$line>"; done\n')
        await _until(self._serves)

    async def _serves(self) -> bool:
        return (await self._previews.get("/0")).status_code == httpx.codes.OK

    async def _timed(self, kind: str, number: int, ask: Callable[[int], Awaitable[None]]) -> None:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await ask(number)
        except Exception as failure:  # noqa: BLE001 - whatever it was, the answer did not come
            place = f"{kind} {number} of {self._sandbox.sandbox_id}"
            self._tally.lost.append(f"{place}: {type(failure).__name__} {failure}")
        else:
            self._tally.answers_s[kind].append(time.monotonic() - begun)

    async def _ask_preview(self, number: int) -> None:
        reply = await self._previews.get(f"/{number}")
        _expect(reply.text, f"/{number}")

    async def _ask_terminal(self, number: int) -> None:
        self._terminal = self._terminal[-100:]
        await self._send(f"round {number}\n")
        await _until(lambda: f"<round {number}>".encode() in self._terminal)

    async def _ask_watcher(self, number: int) -> None:
        name = f"file-{number}"
        await self._sandbox.files.write(f"{_FOLDER}/{name}", "x")
        await _until(lambda: self._events[name] >= EVENTS_PER_FILE)
        await self._sandbox.files.remove(f"{_FOLDER}/{name}")
        self._events.pop(name)

    async def _ask_kernel(self, number: int) -> None:
        _expect((await self._sandbox.run_code(f"{number} + 1")).text, str(number + 1))

    async def _follow_ticks(self, stop: asyncio.Event) -> None:
        """Read a preview that never ends: each of its events once, in order."""
        expected = 0
        timeout = httpx.Timeout(ANSWER_S_MAX)
        async with self._previews.stream("GET", "/ticks", timeout=timeout) as reply:
            async for line in reply.aiter_lines():
                if stop.is_set():
                    return
                if not line:
                    continue
                if line != f"data: {expected}":
                    self._tally.lost.append(f"tick {expected} of {self._host}: got {line!r}")
                    return
                self._tally.answers_s["tick"].append(0.0)
                expected += 1
        if not stop.is_set():
            self._tally.lost.append(f"ticks of {self._host} ended after {expected}")

    def _on_event(self, event: FilesystemEvent) -> None:
        if event.type is not FilesystemEventType.REMOVE:
            self._events[event.name] += 1

    def _on_data(self, data: bytes) -> None:
        self._terminal += data


async def _until(condition: Callable[[], object]) -> None:
    """Wait for `condition`, for a bounded time."""
    async with asyncio.timeout(ANSWER_S_MAX):
        while True:
            held = condition()
            if await held if asyncio.iscoroutine(held) else held:
                return
            await asyncio.sleep(0.02)


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"got {found!r}, not {wanted!r}")
