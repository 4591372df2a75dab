"""The code interpreter's health, as programs inside the sandbox ask for it on port 49999."""

import asyncio
import contextlib
import socket
from typing import Final

CODE_INTERPRETER_PORT: Final = 49999
_HEAD_BYTES_MAX: Final = 8 * 1024
_HEAD_TIMEOUT_S: Final = 5.0


async def serve_health() -> None:
    """Answer GET /health until cancelled; whatever else is asked gets 404."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", CODE_INTERPRETER_PORT))  # noqa: S104 - of the sandbox's own network
    server = await asyncio.start_server(_answer, sock=listener, limit=_HEAD_BYTES_MAX)
    async with server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_HEAD_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        found = head.startswith(b"GET /health ")
        status, body = ("200 OK", b'"OK"') if found else ("404 Not Found", b'"Not found"')
        lines = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        lines += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(lines.encode() + body)
        await writer.drain()
    writer.close()
