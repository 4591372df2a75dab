"""`capibara6 serve` and `capibara6 sandbox serve`."""

import asyncio
import errno
import functools
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import uvicorn

from capibara6.api.clients import client_bounds
from capibara6.cli import exit_codes
from capibara6.cli.opening import opened
from capibara6.cli.terminal import environment_language, messages
from capibara6.config import load_settings, require_keys_off_loopback
from capibara6.errors import ConfigurationError
from capibara6.main import create_app
from capibara6.supervision.environment import server_environment
from capibara6.supervision.server import COMMAND, EmbeddedServer
from capibara6.texts import say
from capibara6_http.connections import BoundedHttpProtocol

_GRACE_S = 10  # runs in progress get so long to record their end


async def serve(host: str | None, port: int | None) -> int:
    """Serve the HTTP API until interrupted; the sandbox server runs beside it."""
    settings = load_settings()
    host = host or settings.platform.host
    require_keys_off_loopback(host, settings)
    listener = listen(host, settings.platform.port if port is None else port)
    # Accepted sockets inherit it. Without it, each small event waits for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}"
    language = environment_language()
    with closing(listener):
        async with opened(settings, language, idle_timeout_s=None) as platform:
            protocol = functools.partial(BoundedHttpProtocol, bounds=client_bounds())
            config = uvicorn.Config(
                create_app(settings, platform),
                http=protocol,  # type: ignore[arg-type]  # called like the class
                ws="none",
                proxy_headers=False,  # anybody on this machine could be such a proxy
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
            server = AnnouncingServer(config, say("serving", language, url=url))
            await server.serve([listener])
    return exit_codes.INTERRUPTED if server.ended_by == signal.SIGINT else exit_codes.OK


class AnnouncingServer(uvicorn.Server):
    """Says where it listens once it really does, and what signal ended it."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement
        self.ended_by: int | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal, once; uvicorn would raise it again before what is open is closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _end(self, number: int) -> None:
        self.ended_by = number
        self.handle_exit(number, None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            messages().print(self._announcement, markup=False, soft_wrap=True)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address.

    Raises:
        ConfigurationError: the port is taken, or the address is none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, reuse_port=False)
    except OSError as cause:
        if cause.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                "platform.port",
                port,
                "another program listens there",
                "Stop it, or choose another port with --port.",
            ) from None
        reason = cause.strerror or str(cause)
        address = f"{host}:{port}"
        raise ConfigurationError(
            "platform.host", address, f"cannot listen there ({reason})", "Choose another address."
        ) from None


async def serve_sandboxes(options: Mapping[str, object], api_key: str | None) -> int:
    """Become the embedded server: this process is replaced by it."""
    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = [*COMMAND, "--state", str(EmbeddedServer(settings.home).state_file)]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        arguments += [part for one in values if one is not None for part in (name, str(one))]
    environment = server_environment(os.environ, CAPIBARA6_HOME=str(settings.home))
    if api_key:
        environment["E2B_API_KEY"] = api_key  # not as an argument, which every user can read
    sys.stdout.flush()
    os.execve(arguments[0], arguments, environment)
