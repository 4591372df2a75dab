"""Operations on the directory tree: look, list, make, move, remove.

Every one acts with the rights of the user it names. The contents of files are in `contents`.
"""

import asyncio
import contextlib
import itertools
import os
import stat
from typing import Any

from capibara6_guest.agent import Call
from capibara6_guest.entries import EntryReader
from capibara6_guest.failures import reported
from capibara6_guest.paths import make_directories, resolve
from capibara6_guest.users import User, acting_as, find_user
from capibara6_guest.wire import CallError

LIST_ENTRIES_MAX = 100_000
_AT_ONCE = 512  # entries, before other calls get their turn
_REMOVALS_MAX = 1_000_000  # turns


async def stat_entry(call: Call) -> dict[str, Any]:
    """files.stat {user, path} -> {"entry"}."""
    user, path = target(call)
    return {"entry": _described(path, user)}


async def list_directory(call: Call) -> dict[str, Any]:
    """files.list {user, path, depth} -> {"entries"}, ordered by path, without the root."""
    user, path = target(call)
    depth = call.arguments.get("depth", 1)
    if not isinstance(depth, int) or depth < 1:
        raise CallError("invalid_argument", f"depth must be at least 1, not {depth!r}")
    with reported(f"cannot list '{path}'"), acting_as(user):
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise CallError("invalid_argument", f"path is not a directory: {path}")
    entries: list[dict[str, Any]] = []
    reader = EntryReader()
    pending = [(path, 1)]
    while pending:
        directory, level = pending.pop()
        names = _names(directory, user, LIST_ENTRIES_MAX + 1 - len(entries), root=level == 1)
        if len(entries) + len(names) > LIST_ENTRIES_MAX:
            raise CallError(
                "invalid_argument",  # clients take resource_exhausted for a rate limit
                f"'{path}' holds more than {LIST_ENTRIES_MAX} entries; list it in parts",
            )
        for start in range(0, len(names), _AT_ONCE):
            found = _described_all(directory, names[start : start + _AT_ONCE], user, reader)
            entries.extend(found)
            if level < depth:
                pending.extend((e["path"], level + 1) for e in found if _is_own_directory(e))
            await asyncio.sleep(0)  # a large directory must not hold up other calls
        await asyncio.sleep(0)  # nor many small ones
    entries.sort(key=lambda entry: entry["path"].split("/"))
    return {"entries": entries}


async def make_directory(call: Call) -> dict[str, Any]:
    """files.make_dir {user, path} -> {"entry"}; makes missing parents too."""
    user, path = target(call)
    with reported(f"cannot create directory '{path}'"), acting_as(user):
        _refuse_existing(path)
        make_directories(path)
    return {"entry": _described(path, user)}


def _refuse_existing(path: str) -> None:
    if os.path.isdir(path):
        raise CallError("already_exists", f"directory already exists: {path}")
    if os.path.lexists(path):
        message = f"path already exists but it is not a directory: {path}"
        raise CallError("invalid_argument", message)


async def move(call: Call) -> dict[str, Any]:
    """files.move {user, source, destination} -> {"entry"}; replaces an existing file."""
    user = find_user(call.text("user"))
    source = resolve(call.text("source"), user)
    destination = resolve(call.text("destination"), user)
    with reported(f"cannot move '{source}' to '{destination}'"), acting_as(user):
        os.lstat(source)  # so that a missing source leaves no new directories behind
        make_directories(os.path.dirname(destination))
        os.rename(source, destination)
    return {"entry": _described(destination, user)}


async def remove(call: Call) -> dict[str, Any]:
    """files.remove {user, path} -> {}; removes a directory's contents too; may be missing."""
    user, path = target(call)
    action = f"cannot remove '{path}'"
    try:
        with reported(action), acting_as(user):
            is_directory = stat.S_ISDIR(os.lstat(path).st_mode)
            if not is_directory:
                os.unlink(path)
        if is_directory:
            await _remove_tree(path, user, action)
    except CallError as failure:
        if failure.code != "not_found":
            raise
    return {}


def target(call: Call) -> tuple[User, str]:
    """Return the call's user and the path it means for that user."""
    user = find_user(call.text("user"))
    return user, resolve(call.text("path"), user)


def _described(path: str, user: User) -> dict[str, Any]:
    with reported(f"cannot look at '{path}'"), acting_as(user):
        return EntryReader().describe(path)


def _names(directory: str, user: User, most: int, *, root: bool) -> list[str]:
    """Return the names in one directory, `most` of them at most."""
    with reported(f"cannot list '{directory}'"), acting_as(user):
        try:
            with os.scandir(directory) as found:
                return [entry.name for entry in itertools.islice(found, most)]
        except (FileNotFoundError, PermissionError):
            if root:
                raise
            return []  # below the root, what is closed to the user is listed but not entered


def _described_all(
    directory: str, names: list[str], user: User, reader: EntryReader
) -> list[dict[str, Any]]:
    """Describe entries of one directory; what vanishes meanwhile is left out."""
    found = []
    with reported(f"cannot list '{directory}'"), acting_as(user):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found.append(reader.describe(os.path.join(directory, name)))
    return found


def _is_own_directory(entry: dict[str, Any]) -> bool:
    return entry["type"] == "directory" and not entry.get("is_symlink")


async def _remove_tree(root: str, user: User, action: str) -> None:
    """Remove a directory, depth first, giving way to other calls now and then."""
    pending = [root]
    for _ in range(_REMOVALS_MAX):
        if not pending:
            return
        inner: list[str] = []
        gone = True
        with reported(action), acting_as(user), contextlib.suppress(FileNotFoundError):
            inner, gone = _remove_some(pending[-1])
        if gone:
            pending.pop()
        pending.extend(inner)
        await asyncio.sleep(0)
    raise CallError("resource_exhausted", f"{action}: it is filled as fast as it is emptied")


def _remove_some(directory: str) -> tuple[list[str], bool]:
    """Remove some of a directory's files, or the directory if it has nothing in it.

    Returns:
        Directories in it, which are to be removed first, and whether it is gone.
    """
    inner, removed = [], 0
    with os.scandir(directory) as entries:
        for entry in itertools.islice(entries, _AT_ONCE):
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.path)
            else:
                os.unlink(entry.path)
                removed += 1
    if inner or removed:
        return inner, False
    os.rmdir(directory)
    return [], True
