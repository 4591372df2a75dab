"""The sandbox's users, and acting with a user's rights on files."""

import contextlib
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass

from capibara6_guest.wire import CallError


@dataclass(frozen=True, slots=True)
class User:
    """An account of the sandbox."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


def find_user(name: str) -> User:
    """Look a user up by name.

    Raises:
        CallError: unauthenticated, with E2B's own wording, when there is no such user.
    """
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise CallError("unauthenticated", f"invalid username: '{name}'") from None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)


@contextlib.contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Use `user`'s rights for file access inside the block; it must not await.

    Only the effective ids change, so that the agent can return. Where the agent is no root (a
    single-id mapping), every user is the agent's own and nothing changes.
    """
    if os.getuid() != 0 or user.uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([user.gid])
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
