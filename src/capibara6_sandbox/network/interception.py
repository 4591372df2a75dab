"""HTTP from a program inside to a real server, with headers of its client's set on the way.

Both sides are parsed by h11, strictly, and written anew: what one side sends reaches the other only
as a request or a reply, whose framing both agree on. A request that is for another host than the
connection is refused, for behind one address there may be many, and not all may see the headers.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import h11

from capibara6_sandbox.network.http_headers import Headers, passing, reply_headers, upgrade
from capibara6_sandbox.network.relay import Allowance, relay_streams
from capibara6_sandbox.network.streams import PatientStream, Stream, drop, say_goodbye
from capibara6_sandbox.network.transforms import FillingError

HEAD_BYTES_MAX: Final = 64 * 1024
UPLOAD_GRACE_S: Final = 5.0  # for the rest of a request whose reply is complete
HALF_CLOSED_S: Final = 60.0  # for a reply to a program that has ended its own direction
_SWITCHING: Final = 101


class RefusedError(Exception):
    """A request is answered by us; the message is for the program."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _LeftError(Exception):
    """The program waits no longer."""


class Interception:
    """One connection of a program, and one to the server that it is meant for.

    Args:
        program: the connection inside.
        server: the real one; None if there is none, which every request is told with `failure`.
        host: which the requests have to be for.
        port: of it.
        added: the headers of now, asked for each request.
        allowance: what the sandbox may pass.
        failure: why there is no server.
    """

    def __init__(
        self,
        program: Stream,
        server: Stream | None,
        host: str,
        port: int,
        added: Callable[[], Headers],
        allowance: Allowance,
        failure: str = "",
    ) -> None:
        self._streams = (PatientStream(program), server)
        self._host, self._port = host, port
        self._added = added
        self._allowance = allowance
        self._failure = failure
        self._program = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._server = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def run(self) -> None:
        """Pass requests and replies until one side ends.

        Raises:
            OSError: a connection was lost in the middle; the caller resets the other.
        """
        try:
            await self._serve()
        finally:
            await self._streams[0].close()

    async def _serve(self) -> None:
        try:
            while await self._exchange():
                pass
        except RefusedError as refusal:
            await self._refuse(refusal)
        except h11.RemoteProtocolError as cause:
            await self._refuse(RefusedError(*self._blame(cause)))
        except (_LeftError, h11.LocalProtocolError):
            raise ConnectionResetError("a reply that cannot be passed on") from None
        await say_goodbye(self._streams[0])

    def _blame(self, cause: h11.RemoteProtocolError) -> tuple[int, str]:
        if self._program.their_state is h11.ERROR:
            return cause.error_status_hint, f"The request is no HTTP/1.1: {cause}."
        return 502, f"The reply of {self._host} is no HTTP/1.1: {cause}."

    async def _exchange(self) -> bool:
        """Pass one request and its reply; return whether another may follow."""
        request = await self._next_request()
        if request is None:
            return False
        head = self._rewritten(request)
        if self._streams[1] is None:
            raise RefusedError(502, self._failure)
        await self._to_server(head)
        uploading = asyncio.create_task(self._upload())
        downloading = asyncio.create_task(self._download())
        try:
            await self._both(uploading, downloading)
        finally:
            await drop(uploading, downloading)
        if self._server.our_state is h11.SWITCHED_PROTOCOL:
            await self._relay()
            return False
        return self._again()

    async def _both(
        self, uploading: "asyncio.Task[None]", downloading: "asyncio.Task[None]"
    ) -> None:
        await asyncio.wait({uploading, downloading}, return_when=asyncio.FIRST_COMPLETED)
        if not downloading.done():
            await uploading
            await self._watch(downloading)
        await downloading
        if not uploading.done():
            await asyncio.wait({uploading}, timeout=UPLOAD_GRACE_S)

    def _again(self) -> bool:
        """Get ready for the next request on both connections, if they go on."""
        states = (*self._program.states.values(), *self._server.states.values())
        if any(state is not h11.DONE for state in states):
            return False
        self._program.start_next_cycle()
        self._server.start_next_cycle()
        return True

    async def _next_request(self) -> h11.Request | None:
        while True:
            event = self._program.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                return None
            self._program.receive_data(await self._streams[0].receive())

    def _rewritten(self, request: h11.Request) -> h11.Request:
        """Return what the server gets in the place of a request.

        Raises:
            RefusedError: it is for another host, or ambiguous, or a secret is missing.
        """
        self._check_target(request)
        names = {name for name, _ in request.headers}
        if {b"content-length", b"transfer-encoding"} <= names:
            raise RefusedError(400, "A request has one length, not two.")
        try:
            added = self._added()
        except FillingError as cause:
            text = f"The network rule for this host could not be applied: {cause}."
            raise RefusedError(502, text) from None
        replaced = {name.lower() for name, _ in added}
        headers = [h for h in passing(request) if h[0].lower() not in replaced]
        if b"host" not in names | replaced:  # of HTTP/1.0
            headers.append((b"Host", self._host.encode()))
        headers += added
        headers += upgrade(request)
        return h11.Request(method=request.method, target=request.target, headers=headers)

    def _check_target(self, request: h11.Request) -> None:
        if request.http_version not in (b"1.0", b"1.1"):
            raise RefusedError(505, "A host with network rules is asked by HTTP/1.1.")
        if not (request.target.startswith(b"/") or request.target == b"*"):
            raise RefusedError(400, "A request to a host with network rules asks for a path.")
        for name, value in request.headers:
            if name == b"host" and not self._is_own(value.decode("latin-1")):
                text = f"This connection is for {self._host}; the request is for another host."
                raise RefusedError(421, text)

    def _is_own(self, host: str) -> bool:
        name, colon, port = host.lower().partition(":")
        return name.removesuffix(".") == self._host and (not colon or port == str(self._port))

    async def _upload(self) -> None:
        while True:
            event = self._program.next_event()
            if event is h11.NEED_DATA:
                self._program.receive_data(await self._streams[0].receive())
            elif isinstance(event, h11.Data):
                await self._allowance.spend(len(event.data))
                await self._to_server(event)
            elif isinstance(event, h11.EndOfMessage):
                await self._to_server(h11.EndOfMessage())  # without trailers
                return
            else:
                raise _LeftError

    async def _watch(self, downloading: "asyncio.Task[None]") -> None:
        """Wait for the reply, and see whether the program leaves before it is complete."""
        watching = asyncio.create_task(self._see_leaving())
        try:
            await asyncio.wait({downloading, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not downloading.done():
                watching.result()
                await downloading
        finally:
            await drop(watching)

    async def _see_leaving(self) -> None:
        """Return when the program has begun another request; what came is kept.

        Raises:
            _LeftError: it has ended its direction, and some time has passed.
            OSError: the connection was lost.
        """
        data = await self._streams[0].receive()
        self._program.receive_data(data)
        if not data:
            await asyncio.sleep(HALF_CLOSED_S)
            raise _LeftError

    async def _download(self) -> None:
        while True:
            event = self._server.next_event()
            if event is h11.NEED_DATA:
                await self._receive_reply()
            elif isinstance(event, h11.InformationalResponse):
                await self._inform(event)
                if event.status_code == _SWITCHING:
                    return
            elif isinstance(event, h11.Response):
                headers = reply_headers(event)
                await self._to_program(
                    h11.Response(
                        status_code=event.status_code, headers=headers, reason=event.reason
                    )
                )
            elif isinstance(event, h11.Data):
                await self._allowance.spend(len(event.data))
                await self._to_program(event)
            elif isinstance(event, h11.EndOfMessage):
                await self._to_program(h11.EndOfMessage())
                return
            else:
                raise ConnectionResetError("the server left without a reply")

    async def _receive_reply(self) -> None:
        _, server = self._streams
        assert server is not None
        data = await server.receive()
        if not data and self._server.their_state is h11.SEND_RESPONSE:
            raise ConnectionResetError("the server left without a reply")
        self._server.receive_data(data)

    async def _inform(self, event: h11.InformationalResponse) -> None:
        if (self._program.their_http_version or b"") < b"1.1":
            return
        headers = passing(event)
        if event.status_code == _SWITCHING:
            headers += upgrade(event)
        await self._to_program(
            h11.InformationalResponse(
                status_code=event.status_code, headers=headers, reason=event.reason
            )
        )

    async def _to_server(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        _, server = self._streams
        assert server is not None
        data = self._server.send(event)
        if data:
            await server.send(data)

    async def _to_program(
        self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage
    ) -> None:
        data = self._program.send(event)
        if data:
            await self._streams[0].send(data)

    async def _refuse(self, refusal: RefusedError) -> None:
        """Answer in the server's place; nothing, once its reply has begun."""
        if self._program.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise ConnectionResetError(str(refusal)) from None
        text = f"{refusal}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        headers.append(("Content-Length", str(len(text))))
        await self._to_program(h11.Response(status_code=refusal.status, headers=headers))
        with contextlib.suppress(h11.LocalProtocolError):  # HEAD has no body
            await self._to_program(h11.Data(data=text))
            await self._to_program(h11.EndOfMessage())

    async def _relay(self) -> None:
        """Pass bytes both ways: the sides have agreed on another protocol."""
        program, server = self._streams
        assert server is not None
        rests = (self._program.trailing_data[0], self._server.trailing_data[0])
        await relay_streams(program, server, self._allowance, rests)
