"""The arguments of the command line: their names, forms and defaults, and nothing of their use."""

import argparse
import ipaddress
import os
from pathlib import Path
from typing import Any, Final, TypeAlias

from capibara6_sandbox.gateway.life_calls import TIMEOUT_S_MAX
from capibara6_sandbox.host.builds.registries import IMAGE_BYTES_MAX
from capibara6_sandbox.host.builds.stages import DISK_BYTES
from capibara6_sandbox.host.builds.workshop import STEP_TIMEOUT_S
from capibara6_sandbox.host.keeper_settings import POOL_CEILING, POOL_FLOOR
from capibara6_sandbox.host.stems import default_bytes_max
from capibara6_sandbox.keys_command import add_keys_command
from capibara6_sandbox.network.dialling import CONNECTIONS_MAX
from capibara6_sandbox.network.reach import HOST_NAME, Mode

PORT_DEFAULT: Final = 49982

_Group: TypeAlias = argparse._ArgumentGroup
_Commands: TypeAlias = "argparse._SubParsersAction[Any]"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="capibara6-sandbox", description=description)
    commands = made.add_subparsers(dest="command", required=True)
    _add_serve(commands)
    builder = commands.add_parser("build", help="build the templates, and print where they lie")
    builder.add_argument("--data", type=Path, default=None, help="default: $CAPIBARA6_HOME")
    add_keys_command(commands).add_argument("--data", type=Path, default=None)
    doctor = commands.add_parser("doctor", help="say which walls hold on this machine")
    doctor.add_argument("--json", action="store_true")
    _add_attack(doctor.add_argument_group("hostile programs"))
    return made


def data_folder() -> Path:
    """Return where built templates lie: $CAPIBARA6_HOME, else below the user's data folder."""
    if os.environ.get("CAPIBARA6_HOME"):
        return Path(os.environ["CAPIBARA6_HOME"])
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "capibara6")


def _add_attack(group: _Group) -> None:
    group.add_argument(
        "--attack", action="store_true", help="run programs that try to break out, and say which do"
    )
    group.add_argument("--template", default="base", help="whose sandboxes are attacked")
    group.add_argument(
        "--program", action="append", default=[], metavar="ID", help="only this one; several times"
    )
    group.add_argument(
        "--elsewhere",
        action="store_true",
        help="attack what E2B_API_KEY and E2B_API_URL point at, not a server of its own",
    )
    group.add_argument(
        "--attack-seconds", type=float, default=180, help="programs beyond are skipped by name"
    )
    group.add_argument("--data", type=Path, default=None, help="of templates: $CAPIBARA6_HOME")
    group.add_argument(
        "--isolation", default="", metavar="RUNTIME", help="the container runtime to attack"
    )


def _add_serve(commands: _Commands) -> None:
    serve = commands.add_parser("serve", help="serve E2B's protocol")
    _add_address(serve.add_argument_group("where clients find it"))
    _add_life(serve.add_argument_group("its own data and life"))
    _add_network(serve.add_argument_group("the network of sandboxes"))
    _add_builds(serve.add_argument_group("builds of templates"))
    _add_limits(serve.add_argument_group("sandboxes and their limits"))


def _add_address(group: _Group) -> None:
    group.add_argument("--host", default="127.0.0.1")
    group.add_argument("--port", type=int, default=PORT_DEFAULT, help="0: any free port")
    group.add_argument("--api-key", default="", help="default: $E2B_API_KEY, else a random one")
    group.add_argument("--domain", default="", help="below which sandboxes have their names")
    group.add_argument("--tls-port", type=int, default=None, help="serve HTTPS too; 0: any port")
    group.add_argument("--tls-cert", type=Path, help="of *.DOMAIN; default: made for local use")
    group.add_argument("--tls-key", type=Path)
    group.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help='of web pages that may use this server, as "https://app.example"; "*": all pages',
    )
    group.add_argument(
        "--allow-host", action="append", default=[], help="another name that clients use for us"
    )


def _add_life(group: _Group) -> None:
    group.add_argument("--data", type=Path, default=None, help="default: $CAPIBARA6_HOME")
    group.add_argument("--state", type=Path, default=None, help="write address and key here")
    group.add_argument("--idle-timeout", type=float, default=0, help="stop after seconds idle")


def _add_network(group: _Group) -> None:
    group.add_argument(
        "--network",
        choices=list(Mode),
        default=os.environ.get("CAPIBARA6_SANDBOX_NETWORK", "public"),
        help="what sandboxes reach at most: nothing, public addresses, or private ones too",
    )
    group.add_argument(
        "--network-allow",
        action="append",
        default=[],
        metavar="CIDR",
        help="addresses that sandboxes reach whatever they are",
    )
    group.add_argument(
        "--network-host-port",
        action="append",
        default=[],
        type=int,
        metavar="PORT",
        help=f"a port of this machine's loopback that sandboxes reach as {HOST_NAME}",
    )
    group.add_argument(
        "--network-rate",
        type=float,
        default=0,
        metavar="MB/S",
        help="what each sandbox may send and receive together; default: no limit",
    )
    group.add_argument(
        "--network-connections",
        type=_count,
        default=CONNECTIONS_MAX,
        metavar="N",
        help="what each sandbox may have open outside at a time; default: %(default)s",
    )
    group.add_argument(
        "--network-dns",
        action="append",
        default=[],
        type=_name_server,
        metavar="ADDRESS[:PORT]",
        help="a name server to ask instead of this machine's own",
    )


def _add_builds(group: _Group) -> None:
    group.add_argument(
        "--build-step-timeout",
        type=float,
        default=STEP_TIMEOUT_S,
        help="seconds that one step of a template's build may take",
    )
    group.add_argument(
        "--build-disk",
        type=_megabytes,
        default=DISK_BYTES,
        metavar="MB",
        help="what one step may write, which lies in memory until the step's end; default: "
        f"{DISK_BYTES >> 20}",
    )
    group.add_argument(
        "--registry",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="a registry whose images may be used though its address is not public",
    )
    group.add_argument(
        "--insecure-registry",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="the same, over plain HTTP or with a certificate that nobody vouches for",
    )
    group.add_argument(
        "--image-size",
        type=_megabytes,
        default=IMAGE_BYTES_MAX,
        metavar="MB",
        help=f"of an image, all layers together and unpacked; default: {IMAGE_BYTES_MAX >> 20}",
    )
    group.add_argument(
        "--apt-config",
        type=Path,
        metavar="FOLDER",
        help="what becomes /etc/apt in builds, proxies and passwords included; "
        "default: this machine's sources and keys, without either",
    )


def _add_limits(group: _Group) -> None:
    group.add_argument(
        "--pool",
        type=int,
        help="ready sandboxes of each template, pinned; default: as they were asked for lately,"
        f" from {POOL_FLOOR} to --pool-max",
    )
    group.add_argument(
        "--pool-max",
        type=int,
        default=POOL_CEILING,
        help="the most that demand keeps ready without --pool",
    )
    group.add_argument(
        "--isolation",
        action="append",
        default=[],
        metavar="[TEMPLATE=]RUNTIME",
        help="walls of all sandboxes, or of a template's: namespaces (the default), gvisor, crun,"
        " runc or another OCI runtime's program; or $CAPIBARA6_SANDBOX_ISOLATION, with commas",
    )
    group.add_argument("--max-sandboxes", type=int, default=1000)
    group.add_argument(
        "--snapshot-memory",
        type=_megabytes,
        default=default_bytes_max(),
        metavar="MB",
        help="what the variables of all snapshots may hold, 0: keep none; default: a quarter",
    )
    group.add_argument(
        "--max-timeout",
        type=_seconds,
        default=os.environ.get("CAPIBARA6_MAX_TIMEOUT_S", str(TIMEOUT_S_MAX)),
        help="longest lifetime in seconds, 0: no limit; default: $CAPIBARA6_MAX_TIMEOUT_S, 24 h",
    )


def _name_server(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    try:
        return str(ipaddress.IPv4Address(address)), int(port or 53)
    except ValueError:
        raise argparse.ArgumentTypeError(f"ADDRESS[:PORT], not {text!r}") from None


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number of seconds, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number of at least 1, not {text!r}")
    return int(text)


def _megabytes(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number of MB, not {text!r}")
    return int(text) << 20
