"""A server that speaks as much of E2B's protocol as an execution needs, and fails on demand.

It runs no program: the code sent to /execute names what happens. For the failures that a real
server cannot be brought to; what works is tested against the real one.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "e2b_" + "a" * 40
HOME = "/home/user"


class CutError(Exception):
    """Raised inside a reply: the connection ends without an end."""


@dataclass
class ScriptedServer:
    url: str = ""
    refusal: tuple[int, str] | None = None  # status and body of every creation
    slow_creation: float = 0.0
    metrics: object = field(default_factory=list)
    metrics_status: int = 200
    live: set[str] = field(default_factory=set)
    created: list[dict] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    sizes_told: dict[str, int] = field(default_factory=dict)  # path -> a lie
    unreadable: set[str] = field(default_factory=set)
    executing: threading.Event = field(default_factory=threading.Event)
    creating: threading.Event = field(default_factory=threading.Event)
    executed: list[dict] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v2/sandboxes", self.create, methods=["POST"]),
                Route("/sandboxes/{id}", self.kill, methods=["DELETE"]),
                Route("/sandboxes/{id}/metrics", self.tell_metrics),
                Route("/execute", self.execute, methods=["POST"]),
                Route("/health", self.health),
                Route("/files", self.upload, methods=["POST"]),
                Route("/files", self.download),
                Route("/filesystem.Filesystem/ListDir", self.list, methods=["POST"]),
            ]
        )

    async def create(self, request: Request) -> Response:
        self.creating.set()
        if request.headers.get("x-api-key") != KEY:
            return JSONResponse({"code": 401, "message": "wrong key"}, 401)
        if self.refusal:
            return Response(self.refusal[1], self.refusal[0], media_type="application/json")
        await asyncio.sleep(self.slow_creation)
        self.created.append(await request.json())
        name = f"s{len(self.created)}"
        self.live.add(name)
        reply = {"sandboxID": name, "templateID": "t", "clientID": "c", "envdVersion": "0.6.4"}
        return JSONResponse(reply | {"envdAccessToken": "token"}, 201)

    async def kill(self, request: Request) -> Response:
        name = request.path_params["id"]
        if name not in self.live:
            return JSONResponse({"code": 404, "message": "no such sandbox"}, 404)
        self.live.discard(name)
        return Response(status_code=204)

    async def tell_metrics(self, request: Request) -> Response:
        return JSONResponse(self.metrics, self.metrics_status)

    async def health(self, request: Request) -> Response:
        if self._gone(request):
            body = {"sandboxId": "s", "message": "The sandbox was not found", "code": 502}
            return JSONResponse(body, 502)
        return Response(status_code=204)

    def _gone(self, request: Request) -> bool:
        return request.headers.get("e2b-sandbox-id", "") not in self.live

    async def upload(self, request: Request) -> Response:
        path = request.query_params["path"]
        if path.endswith("too-big.bin"):
            return JSONResponse({"code": 507, "message": "no space left"}, 507)
        self.files[path] = await request.body()
        return JSONResponse([{"name": path.rsplit("/", 1)[-1], "type": "file", "path": path}])

    async def download(self, request: Request) -> Response:
        path = request.query_params["path"]
        if path in self.unreadable:
            return JSONResponse({"code": 404, "message": f"no {path}"}, 404)
        return Response(self.files[path])

    async def list(self, request: Request) -> Response:
        entries = [
            {
                "name": path.rsplit("/", 1)[-1],
                "type": "FILE_TYPE_FILE",
                "path": path,
                "size": str(self.sizes_told.get(path, len(content))),
                "mode": 420,
                "permissions": "-rw-r--r--",
                "owner": "user",
                "group": "user",
                "modifiedTime": "2026-01-01T00:00:00Z",
            }
            for path, content in self.files.items()
        ]
        return JSONResponse({"entries": entries})

    async def execute(self, request: Request) -> Response:
        body = await request.json()
        self.executed.append(body)
        self.executing.set()
        return StreamingResponse(self._lines(body["code"], request))

    async def _lines(self, code: str, request: Request) -> AsyncIterator[bytes]:
        yield line(type="number_of_executions", execution_count=1)
        yield line(type="stdout", text="begun\n", timestamp=1)
        word, *arguments = code.split()
        if word in ("cut", "die"):
            if word == "die":
                self.live.clear()
            raise CutError
        if word == "hang":
            while not await request.is_disconnected():  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.01)
        if word in ("write", "write-and-show"):
            for name in arguments if word == "write" else arguments[:1]:
                self.files[f"{HOME}/{name}"] = b"new " + name.encode()
        for reply in replies(word, arguments):
            yield reply
        yield line(type="end_of_execution")


def replies(word: str, arguments: list[str]) -> Iterator[bytes]:
    if word == "garbage":
        yield b"<html>not what you expect</html>\n"
    elif word == "error":
        yield line(type="error", name=arguments[0], value="v", traceback="tb")
    elif word == "flood":
        for _ in range(1000):
            yield line(type="stderr", text="e" * 1000, timestamp=1)
    elif word in ("show", "write-and-show"):
        shown = json.loads(" ".join(arguments if word == "show" else arguments[1:]))
        yield line(type="result", is_main_result=False, **shown)


def line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


@contextlib.contextmanager
def running_scripted_server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    config = uvicorn.Config(scripted.app(), port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        scripted.url = f"http://127.0.0.1:{port}"
        yield scripted
    finally:
        server.should_exit = True
        thread.join()
