"""The server's process: reads its arguments, starts the keeper, serves HTTP until told to stop."""

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import structlog

from capibara6_http.connections import Bounds
from capibara6_http.places import Places, places_for_files
from capibara6_sandbox.arguments import data_folder, parser
from capibara6_sandbox.errors import SandboxServerError
from capibara6_sandbox.gateway.app import create_app
from capibara6_sandbox.gateway.certificates import Certificate, local_certificate
from capibara6_sandbox.gateway.listeners import listen, serving
from capibara6_sandbox.host.announcement import (
    OrphanedError,
    announce,
    superseded,
    unless_orphaned,
)
from capibara6_sandbox.host.builds.registries import RegistrySettings
from capibara6_sandbox.host.builds.workshop import BuildSettings
from capibara6_sandbox.host.egress import NetworkSettings
from capibara6_sandbox.host.isolations import Isolations
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.keeper_settings import POOL_FLOOR, KeeperSettings
from capibara6_sandbox.host.keys import FOLDER, KeyRing
from capibara6_sandbox.host.signing import CertificateError
from capibara6_sandbox.host.zygotes import ZygoteError
from capibara6_sandbox.keys_command import run_keys_command
from capibara6_sandbox.log import configure_log
from capibara6_sandbox.network.policy import parse_networks
from capibara6_sandbox.network.proxies import PolicyError
from capibara6_sandbox.network.reach import Mode, Shown
from capibara6_sandbox.templates.build import TemplateBuildError, build
from capibara6_sandbox.templates.catalog import environments

DOMAIN_DEFAULT: Final = "e2b.localhost"  # of HTTPS
_KEY_FORM: Final = re.compile(r"^e2b_[0-9a-f]{8,}$")
_HTTPS_PORT: Final = 443
_IDLE_CHECK_S: Final = 1.0

_log = structlog.get_logger()


def main() -> None:
    """Run the command line."""
    arguments = parser(__doc__).parse_args()
    if arguments.command == "doctor" and arguments.attack:
        sys.exit(_attack(arguments))
    if arguments.command == "doctor":
        from capibara6_sandbox.doctor import report

        sys.exit(report(as_json=arguments.json))
    if arguments.command == "build":
        _build(arguments.data or data_folder())
        return
    if arguments.command == "keys":
        _keys(arguments)
        return
    configure_log(sys.stderr)
    key = arguments.api_key or os.environ.get("E2B_API_KEY") or f"e2b_{secrets.token_hex(20)}"
    if not _KEY_FORM.match(key):
        _fail("--api-key: clients accept only keys of the form e2b_ and hex digits")
    asyncio.run(_serve(arguments, key))


def _attack(arguments: argparse.Namespace) -> int:
    from capibara6_sandbox.attack.command import Wishes, attack

    wishes = Wishes(
        data=arguments.data or data_folder(),
        template=arguments.template,
        own_server=not arguments.elsewhere,
        only=tuple(arguments.program),
        seconds_max=arguments.attack_seconds,
        json=arguments.json,
        isolation=arguments.isolation,
    )
    return attack(wishes)


def _keys(arguments: argparse.Namespace) -> None:
    try:
        for line in run_keys_command(
            KeyRing((arguments.data or data_folder()) / FOLDER), arguments
        ):
            print(line)  # noqa: T201 - the command's own output
    except (SandboxServerError, OSError, ValueError) as cause:
        _fail(str(cause))


def _network(arguments: argparse.Namespace, secured: "_Secured | None") -> NetworkSettings:
    try:
        opened = tuple(str(block) for block in parse_networks(arguments.network_allow))
    except PolicyError as cause:
        _fail(f"--network-allow: {cause}")
    shown = secured if secured and secured.port in arguments.network_host_port else None
    previews = shown.domain.partition(":")[0] if shown else ""
    authority = shown.certificate.authority if shown else None
    return NetworkSettings(
        mode=Mode(arguments.network),
        opened=opened,
        shown=Shown(frozenset(arguments.network_host_port), previews),
        authority=authority.read_text() if authority else "",
        rate_bytes_s=arguments.network_rate * 1e6,
        connections_max=arguments.network_connections,
        servers=tuple(arguments.network_dns),
    )


def _builds(arguments: argparse.Namespace) -> BuildSettings:
    if arguments.apt_config is not None and not arguments.apt_config.is_dir():
        _fail(f"--apt-config: {arguments.apt_config} is no folder")
    return BuildSettings(
        step_timeout_s=arguments.build_step_timeout,
        disk_bytes=arguments.build_disk,
        registries=RegistrySettings(
            tuple(arguments.registry), tuple(arguments.insecure_registry), arguments.image_size
        ),
        apt=arguments.apt_config,
    )


def _isolations(arguments: argparse.Namespace) -> Isolations:
    given = os.environ.get("CAPIBARA6_SANDBOX_ISOLATION", "")
    words = arguments.isolation or [word for word in given.split(",") if word]
    try:
        return Isolations.parse(words)
    except ValueError as cause:
        _fail(f"--isolation: {cause}")


def _build(data: Path) -> None:
    for environment in environments():
        try:
            built = build(environment, data / "templates", _report_progress)
        except (TemplateBuildError, OSError) as cause:
            _fail(str(cause))
        print(f"{environment.name}\t{built.folder / 'rootfs'}", flush=True)  # noqa: T201


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)  # noqa: T201 - the command's own output
    sys.exit(2)


async def _serve(arguments: argparse.Namespace, key: str) -> None:
    listener = _listen(arguments.host, arguments.port)
    host, port = listener.getsockname()[:2]
    try:
        secured = _secured(arguments)
    except (CertificateError, OSError) as cause:
        _fail(f"HTTPS cannot be served: {cause}")
    try:
        keeper = Keeper(
            KeeperSettings(
                data=arguments.data or data_folder(),
                sandboxes_max=arguments.max_sandboxes,
                pool_size=POOL_FLOOR if arguments.pool is None else arguments.pool,
                pool_size_max=arguments.pool_max if arguments.pool is None else None,
                network=_network(arguments, secured),
                stems_bytes_max=arguments.snapshot_memory,
                builds=_builds(arguments),
                isolations=_isolations(arguments),
            )
        )
    except OSError as cause:
        _fail_to_start(cause)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await unless_orphaned(keeper.start(_report_progress), arguments.state)
        domain = secured.domain if secured else arguments.domain or _default_domain(host, port)
        names = [arguments.host, *arguments.allow_host]
        places = places_for_files()
        app = create_app(
            keeper, key, domain, arguments.max_timeout, names, arguments.allow_origin, places
        )
        async with contextlib.AsyncExitStack() as stack:
            bounds = Bounds(Places(places))
            await stack.enter_async_context(serving(app, listener, bounds))
            if secured:
                https = serving(app, secured.listener, bounds, secured.certificate)
                await stack.enter_async_context(https)
            _announce(
                f"http://{host}:{port}", key, secured, keeper.foundry.degraded, arguments.state
            )
            await _wait_for_end(keeper, stop, arguments.idle_timeout, arguments.state)
    except (TemplateBuildError, ZygoteError, OSError) as cause:
        _fail_to_start(cause)
    except OrphanedError:
        _log.warning("orphaned", what="who started this server has ended before it was ready")
    finally:
        await keeper.stop()
        if arguments.state is not None and not superseded(arguments.state):
            arguments.state.unlink(missing_ok=True)


def _fail_to_start(cause: Exception) -> NoReturn:
    _fail(f"The sandbox server cannot start: {cause}\nRun `capibara6 doctor` for what to do.")


@dataclass(frozen=True, slots=True)
class _Secured:
    """HTTPS below a domain, which clients find by E2B_DOMAIN alone."""

    domain: str  # with the port, unless it is HTTPS's own
    port: int
    listener: socket.socket
    certificate: Certificate

    def environment(self, key: str) -> str:
        """Return the command that points clients here."""
        authority = self.certificate.authority
        trust = f" SSL_CERT_FILE={authority} NODE_EXTRA_CA_CERTS={authority}" if authority else ""
        return f"export E2B_DOMAIN={self.domain} E2B_API_KEY={key}{trust}"


def _secured(arguments: argparse.Namespace) -> _Secured | None:
    if arguments.tls_port is None:
        if arguments.tls_cert or arguments.tls_key:
            _fail("--tls-cert and --tls-key are of no use without --tls-port")
        return None
    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        _fail("--tls-cert and --tls-key belong together; without both, a certificate is made")
    name = arguments.domain.partition(":")[0] or DOMAIN_DEFAULT
    if arguments.tls_cert:
        certificate = Certificate(arguments.tls_cert, arguments.tls_key)
    else:
        certificate = local_certificate((arguments.data or data_folder()) / "tls", name)
    listener = _listen(arguments.host, arguments.tls_port, "--tls-port")
    port = listener.getsockname()[1]
    domain = name if port == _HTTPS_PORT else f"{name}:{port}"
    return _Secured(domain, port, listener, certificate)


def _default_domain(host: str, port: int) -> str:
    """Return what sandboxes report: browsers and curl find every name below localhost here."""
    return f"localhost:{port}" if host in ("127.0.0.1", "::1") else f"{host}:{port}"


def _listen(host: str, port: int, option: str = "--port") -> socket.socket:
    try:
        return listen(host, port)
    except OSError as cause:
        _fail(f"Cannot listen on {host}:{port} ({cause.strerror}). Choose another {option}.")


def _report_progress(fraction: float, message: str) -> None:
    line = json.dumps({"progress": round(fraction, 3), "message": message})
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - read by whoever started the server


def _announce(
    url: str, key: str, secured: "_Secured | None", degraded: list[str], state: Path | None
) -> None:
    line = f"export E2B_API_URL={url} E2B_SANDBOX_URL={url} E2B_API_KEY={key}"
    print(line, flush=True)  # noqa: T201 - the command's own output
    if secured is not None:
        print(f"or:    {secured.environment(key)}", flush=True)  # noqa: T201
    if state is not None:
        announce(state, url, key, degraded)


async def _wait_for_end(
    keeper: Keeper, stop: asyncio.Event, idle_timeout_s: float, state: Path | None
) -> None:
    """Wait for a signal, or until nothing has run for `idle_timeout_s` (0: for ever)."""
    last_used = time.monotonic()
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_CHECK_S):
                await stop.wait()
        if keeper.busy or keeper.workshop.busy:
            last_used = time.monotonic()
        elif superseded(state):
            _log.warning("superseded", state=str(state))
            return
        if idle_timeout_s and time.monotonic() - last_used > idle_timeout_s:
            _log.info("idle", seconds=idle_timeout_s)
            return
