"""`keys add`, `keys list`, `keys remove`: the API keys of a data folder, for its owner."""

import argparse
from collections.abc import Iterator

from capibara6_sandbox.host.key_records import TEAM_DEFAULT, KeyLimits, KeyRecord
from capibara6_sandbox.host.keys import KeyRing

_NONE = "-"


def add_keys_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> argparse.ArgumentParser:
    """Add the command to the command line, and return its own parser."""
    keys = commands.add_parser("keys", help="API keys besides the one that a server starts with")
    actions = keys.add_subparsers(dest="action", required=True)
    added = actions.add_parser("add", help="make a key, and print it for the only time")
    added.add_argument("name")
    added.add_argument("--team", default=TEAM_DEFAULT, help="sees its own sandboxes and so on only")
    added.add_argument("--max-sandboxes", type=int, default=0, help="that run; 0: no limit")
    added.add_argument("--max-requests", type=float, default=0, help="a second; 0: no limit")
    added.add_argument("--max-bytes", type=float, default=0, help="of bodies a second; 0: no limit")
    actions.add_parser("list", help="name, team and limits of each")
    actions.add_parser("remove", help="let a key open nothing any more").add_argument("name")
    return keys


def run_keys_command(ring: KeyRing, arguments: argparse.Namespace) -> Iterator[str]:
    """Carry the command out; yield the lines that it prints.

    Raises:
        BadRequestError, ConflictError, NotFoundError, OSError: as of `KeyRing`.
        ValueError: a limit below 0.
    """
    if arguments.action == "add":
        limits = KeyLimits(
            sandboxes=arguments.max_sandboxes,
            requests_s=arguments.max_requests,
            bytes_s=arguments.max_bytes,
        )
        yield ring.add(arguments.name, arguments.team, limits)
    elif arguments.action == "remove":
        ring.remove(arguments.name)
    else:
        yield "name\tteam\tsandboxes\trequests/s\tbytes/s\tcreated"
        yield from (_row(record) for record in ring.all())


def _row(record: KeyRecord) -> str:
    limits = record.limits
    shown = [
        f"{n:g}" if n else _NONE for n in (limits.sandboxes, limits.requests_s, limits.bytes_s)
    ]
    return "\t".join([record.name, record.team, *shown, record.created_at.date().isoformat()])
