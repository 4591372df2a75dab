"""What lies on disk with ids of the inside, mounted so that a sandbox finds its own ids there.

Layers and volumes serve sandboxes of any range of ids. Standard library only: the nursery imports
this.
"""

import errno
import os
from collections.abc import Sequence

from capibara6_sandbox.isolation import linux, mounts
from capibara6_sandbox.isolation.processes import process_id
from capibara6_sandbox.isolation.views import NO_SUID_DEV, READ_ONLY, layer_tree


def map_layers(layers: Sequence[str], pid: int, volumes: Sequence[str] = ()) -> list[int]:
    """Return mounts of saved layers whose owners are those of a child's user namespace.

    Args:
        layers: names.
        pid: the child.
        volumes: names of volumes, whose mounts follow.

    Raises:
        OSError: one is gone, or its file system cannot map ids.
    """
    trees = [(layer_tree(name), READ_ONLY) for name in layers]
    trees += [(_volume_tree(name), NO_SUID_DEV) for name in volumes]
    mapped: list[int] = []
    namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for path, attributes in trees:
            mount = mounts.mapped_mount(path, attributes, namespace)
            mapped.append(mount)
    except OSError:
        for mount in mapped:
            os.close(mount)
        raise
    finally:
        os.close(namespace)
    return mapped


def _volume_tree(name: str) -> str:
    return f"/volumes/{name}/tree"


def mount_volume(name: str, path: str, sandbox: int, *, privileged: bool) -> None:
    """Mount a volume in a running sandbox; the caller is a fork that then ends.

    Ids on disk are those of the inside, so that all sandboxes agree on who owns a file.

    Args:
        name: of its folder.
        path: where; missing directories are made, as the sandbox's own user.
        sandbox: pidfd of its first process.
        privileged: whether the sandbox has a range of ids.

    Raises:
        OSError: the file system cannot map ids, or there is a file or a link in the way.
    """
    namespace = _user_namespace(sandbox) if privileged else None
    mount = mounts.mapped_mount(_volume_tree(name), NO_SUID_DEV, namespace)
    linux.setns(sandbox, linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    if privileged:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    os.makedirs(path, mode=0o755, exist_ok=True)
    if os.path.realpath(path) != path:
        raise OSError(errno.ELOOP, f"{path} leads through a link")
    mounts.attach_mount(mount, path)


def _user_namespace(pidfd: int) -> int:
    return os.open(f"/proc/{process_id(pidfd)}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
