"""What the nursery does in forks of its own, so that nobody waits for it.

Each writes {"bytes", "inodes"}, {} or {"error", "errno"} to its report. Here, because an ordinary
user's server has no other process that may read all files. Requests ("op"):

    copy      "uid_base", "layers"; fds: from (a writable layer), to, report
    discard   "name"; fds: the folder it lies in, report
    mount     "volume", "path"; fds: a sandbox's pidfd, report
    believe   "certificate"; fds: a sandbox's pidfd, report

Standard library only, trusted.
"""

import json
import os
import shutil
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from capibara6_sandbox.isolation import identity, layers, mapped_mounts, trust, views
from capibara6_sandbox.zygote import children

_Message = Mapping[str, Any]
Work = Callable[[_Message, list[int], bool], dict[str, int]]


def fork_work(
    work: Work, message: _Message, fds: list[int], *, privileged: bool
) -> tuple[dict[str, Any], list[int]]:
    """Do `work` in a fork, which writes what comes of it to its report and ends."""
    if os.fork():
        return {}, []
    try:
        children.forget_signals()
        identity.open_many_files()
        answer: dict[str, Any] = work(message, fds, privileged)
    except OSError as cause:
        answer = {"error": str(cause), "errno": cause.errno}
    except BaseException:  # noqa: BLE001 - whatever happens, the fork must not return
        traceback.print_exc()
        os._exit(1)
    os.write(fds[-1], json.dumps(answer).encode())
    os._exit(0)


def _copy(message: _Message, fds: list[int], privileged: bool) -> dict[str, int]:
    """Copy a writable layer, after saved ones below it that shall become one with it."""
    for name in message["layers"]:
        below = os.open(views.layer_tree(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        layers.LayerCopy(below, fds[1], layers.Owners(kept=not privileged)).run()
        os.close(below)
    owners = layers.Owners.leaving(message["uid_base"] if privileged else None)
    copied = layers.LayerCopy(fds[0], fds[1], owners).run()
    return layers.measure(fds[1]) if message["layers"] else copied


def _discard(message: _Message, fds: list[int], _privileged: bool) -> dict[str, int]:
    shutil.rmtree(message["name"], dir_fd=fds[0])
    return {}


def _mount(message: _Message, fds: list[int], privileged: bool) -> dict[str, int]:
    volume, path = message["volume"], message["path"]
    mapped_mounts.mount_volume(volume, path, fds[0], privileged=privileged)
    return {}


def _believe(message: _Message, fds: list[int], privileged: bool) -> dict[str, int]:
    trust.believe(message["certificate"], fds[0], privileged=privileged)
    return {}


WORKS: Final[Mapping[str, Work]] = {
    "copy": _copy,
    "discard": _discard,
    "mount": _mount,
    "believe": _believe,
}
