"""Saved layers: what sandboxes have written, on the server's disk, for others to start from.

A layer lies in `<layers>/<space>/<id>/tree`. Its name is `<space>/<id>`; a space belongs to one
kind of owner, which alone says what of it is still needed (`holders`). The files themselves belong
to a guest: only the nursery touches them.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError

REPORT_TIMEOUT_S: Final = 300.0
_REPORT_BYTES_MAX: Final = 64 * 1024


class LayerError(Exception):
    """A layer could not be saved or removed; the message says why."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One saved layer."""

    name: str  # "<space>/<id>"
    bytes: int  # on disk
    inodes: int


async def save_layer(
    nursery: ZygoteClient, upper: int, uid_base: int, layers: Path, space: str
) -> Layer:
    """Copy a writable layer to disk, whole or not at all. Its sandbox should not write meanwhile.

    Args:
        nursery: does the work, in a fork.
        upper: descriptor of the writable layer.
        uid_base: first id of the sandbox's range; ignored by a nursery without ranges.
        layers: the folder of all spaces.
        space: the folder below it that the new layer goes to; it must exist.

    Raises:
        LayerError: the disk is full, or the layer is one that cannot be copied.
    """
    name = secrets.token_hex(8)
    aside = layers / space / f".part-{name}"
    try:
        (aside / "tree").mkdir(parents=True)
        target = os.open(aside / "tree", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            order = {"op": "copy", "uid_base": uid_base}
            done = await _ask(nursery, order, [upper, target])
        finally:
            os.close(target)
        aside.rename(layers / space / name)
    except (LayerError, OSError) as cause:
        with contextlib.suppress(LayerError, FileNotFoundError):
            await discard_layer(nursery, layers, f"{space}/{aside.name}")
        raise LayerError(f"The files could not be saved: {cause}") from None
    return Layer(f"{space}/{name}", done["bytes"], done["inodes"])


async def discard_layer(nursery: ZygoteClient, layers: Path, name: str) -> None:
    """Remove a layer, whatever modes its files have.

    Raises:
        LayerError: it could not be removed.
        FileNotFoundError: there is none.
    """
    space, _, own = name.rpartition("/")
    folder = os.open(layers / space, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.stat(own, dir_fd=folder, follow_symlinks=False)
        await _ask(nursery, {"op": "discard", "name": own}, [folder])
    finally:
        os.close(folder)


async def _ask(nursery: ZygoteClient, order: dict[str, Any], fds: Sequence[int]) -> dict[str, Any]:
    """Have a fork of the nursery do something, and return what it reports."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            _, (pidfd,) = await nursery.request(order, [*fds, writing])
        finally:
            os.close(writing)
        os.close(pidfd)
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            report = await _read_all(reading)
    except ZygoteError as cause:
        raise LayerError(str(cause)) from None
    except TimeoutError:
        raise LayerError(f"no report within {REPORT_TIMEOUT_S:.0f} s") from None
    finally:
        os.close(reading)
    answer: dict[str, Any] = json.loads(report) if report else {"error": "its copier ended"}
    if "error" in answer:
        raise LayerError(str(answer["error"]))
    return answer


async def _read_all(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    pieces: list[bytes] = []

    def take() -> None:
        piece = os.read(fd, _REPORT_BYTES_MAX)
        pieces.append(piece)
        if not piece and not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, take)
    try:
        await ended
    finally:
        loop.remove_reader(fd)
    return b"".join(pieces)


class LayerSpace:
    """One server's layers, each kept as long as somebody holds it.

    Args:
        layers: the folder of all spaces.
        space: the name of this one; it is made, and locked against other servers.

    Raises:
        BlockingIOError: another server uses it.
    """

    def __init__(self, layers: Path, space: str) -> None:
        self.layers = layers
        self.space = space
        self.folder = layers / space
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise
        self._holders: Counter[str] = Counter()

    async def save(self, nursery: ZygoteClient, upper: int, uid_base: int) -> Layer:
        """Save a writable layer, held once, by the caller.

        Raises:
            LayerError: as of `save_layer`.
        """
        layer = await save_layer(nursery, upper, uid_base, self.layers, self.space)
        self.hold([layer.name])
        return layer

    def hold(self, names: Iterable[str]) -> None:
        """Keep layers; of other spaces too, which keep themselves."""
        self._holders.update(names)

    def release(self, names: Iterable[str]) -> list[str]:
        """Keep layers once less; return those that nobody holds any more, to be discarded."""
        freed = []
        for name in names:
            self._holders[name] -= 1
            if self._holders[name] <= 0:
                del self._holders[name]
                if name.startswith(f"{self.space}/"):
                    freed.append(name)
        return freed

    def check(self, names: Iterable[str]) -> None:
        """See that layers are there.

        Raises:
            StartError: one is not.
        """
        for name in names:
            if not (self.layers / name / "tree").is_dir():
                raise StartError(f"The saved files {name} are gone from {self.layers}.")

    def strays(self) -> list[str]:
        """Return what lies here and nobody holds: of a server that was killed."""
        found = [f"{self.space}/{entry.name}" for entry in self.folder.iterdir() if entry.is_dir()]
        return [name for name in found if name not in self._holders]

    def close(self) -> None:
        """Give up the lock."""
        self._lock.close()
