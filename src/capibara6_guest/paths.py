"""What a caller's path means for a user, and making the directories on the way to it."""

import os
import stat

from capibara6_guest.users import User
from capibara6_guest.wire import CallError

_DIRECTORY_MODE = 0o755


def resolve(path: str, user: User) -> str:
    """Return the absolute path: relative ones and `~` start at the user's home.

    Raises:
        CallError: invalid_argument for another user's `~name`, or a NUL in the path.
    """
    if "\0" in path:
        raise CallError("invalid_argument", f"path {path!r} contains a NUL character")
    if path.startswith("~"):
        if path[1:2] not in ("", "/"):
            raise CallError("invalid_argument", f"cannot expand user-specific home dir in '{path}'")
        path = path[1:].lstrip("/")
    if path.startswith("/"):
        return path.rstrip("/") or "/"
    return os.path.normpath(os.path.join(user.home, path))


def make_directories(path: str) -> None:
    """Create `path` and its missing parents; call it inside `acting_as`.

    Raises:
        OSError: one cannot be created.
        CallError: invalid_argument when a file stands in the way.
    """
    missing = []
    while not _is_directory(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, _DIRECTORY_MODE)
        except FileExistsError:  # made by somebody else in the meantime
            if not _is_directory(directory):
                raise


def _is_directory(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        raise CallError("invalid_argument", f"path '{path}' is not a directory")
    return True
