"""filesystem.EntryInfo: an entry as envd's clients know it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from capibara6_sandbox.gateway.envd.errors import readable
from capibara6_sandbox.host.guest_client import GuestLostError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MIN = int((datetime(1000, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_SECONDS_MAX = int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds())

_TYPES = {
    "file": "FILE_TYPE_FILE",
    "directory": "FILE_TYPE_DIRECTORY",
    "symlink": "FILE_TYPE_SYMLINK",
}


def entry_info(entry: dict[str, Any]) -> dict[str, Any]:
    """Turn the agent's description into a filesystem.EntryInfo.

    Raises:
        GuestLostError: it is no description.
    """
    try:
        return _entry_info(entry)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise GuestLostError("the agent described an entry in no known form") from None


def _entry_info(entry: dict[str, Any]) -> dict[str, Any]:
    info = {
        "name": readable(str(entry["name"])),
        "type": _TYPES.get(str(entry["type"]), "FILE_TYPE_UNSPECIFIED"),
        "path": readable(str(entry["path"])),
        "size": str(int(entry["size"])),
        "mode": int(entry["mode"]),
        "permissions": str(entry["permissions"]),
        "owner": readable(str(entry["owner"])),
        "group": readable(str(entry["group"])),
        "modifiedTime": _timestamp(int(entry["modified_ns"])),
        "metadata": {str(key): str(value) for key, value in entry["metadata"].items()},
    }
    if entry.get("is_symlink"):
        info["isSymlink"] = True
        info["symlinkTarget"] = readable(str(entry["symlink_target"]))
    return info


def _timestamp(time_ns: int) -> str:
    """Return RFC 3339; what protobuf's Timestamp cannot hold becomes the nearest it can."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=max(_SECONDS_MIN, min(seconds, _SECONDS_MAX)))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
