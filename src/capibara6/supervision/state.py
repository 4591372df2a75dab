"""The state file by which a running embedded server is found again, and whether it answers.

The server writes the file (mode 0600: it holds the server's key) when it is ready. A file may
outlive its server, so what it says counts only after the server itself has answered.
"""

import json
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

_ANSWER_TIMEOUT_S: Final = 5.0
_STATE_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where an embedded server listens, and the key that opens it."""

    pid: int
    api_url: str
    api_key: str = field(repr=False)
    started_at: str = ""
    degraded: tuple[str, ...] = ()  # layers of isolation that this machine does not offer


def read_state(file: Path) -> ServerAddress | None:
    """What the state file says; None when there is none, or none that a server wrote whole."""
    try:
        with file.open("rb") as stream:
            values = json.loads(stream.read(_STATE_BYTES_MAX))
        return ServerAddress(
            int(values["pid"]),
            str(values["api_url"]),
            str(values["api_key"]),
            str(values.get("started_at", "")),
            tuple(str(what) for what in values.get("degraded", ())),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # half-written or of an older form: as good as absent


def is_alive(pid: int) -> bool:
    """Whether a process of that id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def answers(address: ServerAddress) -> bool:
    """Whether the server at that address is there and takes this key."""
    headers = {"X-API-KEY": address.api_key}
    async with httpx.AsyncClient(
        timeout=_ANSWER_TIMEOUT_S,
        trust_env=False,  # a proxy must not stand between us and this machine's own server
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # trusts nobody; loading roots is slow
    ) as client:
        try:
            reply = await client.get(
                f"{address.api_url}/v2/sandboxes", params={"limit": 1}, headers=headers
            )
        except httpx.TransportError:
            return False
    return reply.status_code == httpx.codes.OK
