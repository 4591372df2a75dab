"""What is known of one file system entry, in the form that the gateway gets."""

import grp
import os
import pwd
import stat
from typing import Any

METADATA_PREFIX = "user.e2b."


class EntryReader:
    """Describes entries; keeps the names of owners for as long as one call lasts."""

    def __init__(self) -> None:
        self._owners: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def describe(self, path: str) -> dict[str, Any]:
        """Describe the entry itself, and for a link also what it leads to.

        Raises:
            OSError: there is none, or it may not be looked at.
        """
        own = os.lstat(path)
        entry = {
            "name": os.path.basename(path) or path,
            "path": path,
            "type": _kind(own.st_mode),
            "size": own.st_size,
            "mode": stat.S_IMODE(own.st_mode),
            "permissions": stat.filemode(own.st_mode),
            "owner": self._owner(own.st_uid),
            "group": self._group(own.st_gid),
            "modified_ns": own.st_mtime_ns,
            "metadata": read_metadata(path),
        }
        if stat.S_ISLNK(own.st_mode):
            entry.update(_target(path))
        return entry

    def _owner(self, uid: int) -> str:
        if uid not in self._owners:
            try:
                self._owners[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self._owners[uid] = str(uid)
        return self._owners[uid]

    def _group(self, gid: int) -> str:
        if gid not in self._groups:
            try:
                self._groups[gid] = grp.getgrgid(gid).gr_name
            except KeyError:
                self._groups[gid] = str(gid)
        return self._groups[gid]


def read_metadata(path: str) -> dict[str, str]:
    """Return the metadata stored with an entry; empty where it has none or may not be read."""
    metadata = {}
    try:
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(METADATA_PREFIX):
                value = os.getxattr(path, name, follow_symlinks=False)
                metadata[name.removeprefix(METADATA_PREFIX)] = value.decode("ascii", "replace")
    except OSError:  # metadata is an extra: an entry without it is still worth describing
        return {}
    return metadata


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def _target(path: str) -> dict[str, Any]:
    """Describe what a link leads to; a dead link keeps the type "symlink" and leads to itself."""
    try:
        followed = os.stat(path)
        target = os.path.realpath(path, strict=True)
    except OSError:
        return {"is_symlink": True, "symlink_target": path}
    return {
        "is_symlink": True,
        "symlink_target": target,
        "type": _kind(followed.st_mode),
        "mode": stat.S_IMODE(followed.st_mode),
    }
