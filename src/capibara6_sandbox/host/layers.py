"""Saved layers: what sandboxes have written, on the server's disk, for others to start from.

A layer lies in `<layers>/<space>/<id>/tree`, and its size beside it. Its name is `<space>/<id>`; a
space belongs to one owner, which alone says what of it is still needed. The files themselves are a
guest's: only the nursery touches them, also because they may be files that an ordinary user's
server may not read.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from capibara6_sandbox.errors import LayerError
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.isolation import linux

JOINED_FROM: Final = 8  # so many layers of one sandbox become one when the next is saved
REPORT_TIMEOUT_S: Final = 300.0
_REPORT_BYTES_MAX: Final = 64 * 1024
_LAYER_MIN_BYTES: Final = 1024 * 1024
_ASIDE: Final = ".part-"

_log = structlog.get_logger()


async def save_layer(
    nursery: ZygoteClient,
    upper: int,
    uid_base: int,
    layers: Path,
    space: str,
    below: Sequence[str] = (),
) -> str:
    """Copy a writable layer to disk, whole or not at all; return its name.

    Args:
        nursery: does the work, in a fork.
        upper: descriptor of the writable layer, to which nobody should write meanwhile.
        uid_base: first id of the sandbox's range; ignored by a nursery without ranges.
        layers: the folder of all spaces.
        space: the folder below it that the new layer goes to; it must exist.
        below: names of saved layers, lowest first, to be joined with it into one.

    Raises:
        LayerError: the disk is full, or the layer is one that cannot be copied.
    """
    name = secrets.token_hex(8)
    aside = layers / space / f"{_ASIDE}{name}"
    try:
        (aside / "tree").mkdir(parents=True)
        target = os.open(aside / "tree", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            order = {"op": "copy", "uid_base": uid_base, "layers": list(below)}
            done = await ask(nursery, order, [upper, target])
        finally:
            os.close(target)
        (aside / "size.json").write_text(json.dumps(done))
        aside.rename(layers / space / name)
    except BaseException as cause:
        with contextlib.suppress(LayerError, FileNotFoundError):
            await asyncio.shield(discard_layer(nursery, layers, f"{space}/{aside.name}"))
        if isinstance(cause, LayerError | OSError):
            raise LayerError(f"The files could not be saved: {cause}") from None
        raise
    return f"{space}/{name}"


def make_layer(folder: Path, name: str, fill: Callable[[Path], None]) -> None:
    """Make a layer of files that are the server's own, whole or not at all; it may be there.

    Args:
        folder: of its space; made if missing.
        name: of the layer in it.
        fill: fills an empty directory.

    Raises:
        LayerError: it could not be made.
    """
    if (folder / name).is_dir():
        return
    aside = folder / f"{_ASIDE}{name}"
    try:
        shutil.rmtree(aside, ignore_errors=True)  # of a server that was killed
        (aside / "tree").mkdir(parents=True)
        fill(aside / "tree")
        (aside / "size.json").write_text(json.dumps(_measure(aside / "tree")))
        aside.rename(folder / name)
    except OSError as cause:
        shutil.rmtree(aside, ignore_errors=True)
        raise LayerError(f"A layer could not be made: {cause}") from None


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
        await ask(nursery, {"op": "discard", "name": own}, [folder])
    finally:
        os.close(folder)


def layer_bytes(layers: Path, name: str) -> int:
    """Return how much of the disk a layer takes.

    Raises:
        LayerError: it is gone.
    """
    try:
        size = json.loads((layers / name / "size.json").read_text())
        return int(size["bytes"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise LayerError(f"The saved files {name} are gone or damaged: {cause}") from None


async def ask(nursery: ZygoteClient, order: dict[str, Any], fds: Sequence[int]) -> dict[str, Any]:
    """Have a fork of the nursery do something, and return what it reports."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            await nursery.request(order, [*fds, writing])
        finally:
            os.close(writing)
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


def _measure(tree: Path) -> dict[str, int]:
    sizes = [path.lstat().st_blocks * 512 for path in tree.rglob("*")]
    return {"bytes": sum(sizes), "inodes": len(sizes)}


async def _read_all(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    pieces: list[bytes] = []

    def take() -> None:
        piece = os.read(fd, _REPORT_BYTES_MAX)
        pieces.append(piece)
        if not piece:
            loop.remove_reader(fd)
            ended.set()

    loop.add_reader(fd, take)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
    return b"".join(pieces)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        linux.sync_file_system(fd)
    finally:
        os.close(fd)


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

    async def save(
        self, nursery: ZygoteClient, upper: int, uid_base: int, below: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Save a writable layer; return it with those below it, held once, by the caller.

        Raises:
            LayerError: as of `save_layer`.
        """
        mine = [name for name in below if name.startswith(f"{self.space}/")]
        joined = mine if len(mine) >= JOINED_FROM else []
        name = await save_layer(nursery, upper, uid_base, self.layers, self.space, joined)
        kept = (*(n for n in below if n not in joined), name)
        self.hold(kept)
        return kept

    async def settle(self) -> None:
        """Force what was saved to the disk: before something that outlives this server names it.

        Raises:
            LayerError: the disk has failed.
        """
        try:
            await asyncio.to_thread(_sync, self.folder)
        except OSError as cause:
            raise LayerError(f"The files could not be written to the disk: {cause}") from None

    def hold(self, names: Iterable[str]) -> None:
        """Keep layers; those of other spaces are kept by their owners."""
        self._holders.update(names)

    def holds(self, name: str) -> bool:
        """Whether somebody here stands on a layer, of whichever space."""
        return self._holders[name] > 0

    def release(self, names: Iterable[str]) -> list[str]:
        """Keep layers once less; return those of this space that nobody holds any more."""
        freed = []
        for name in names:
            self._holders[name] -= 1
            if self._holders[name] <= 0:
                del self._holders[name]
                if name.startswith(f"{self.space}/"):
                    freed.append(name)
        return freed

    def room_bytes(self, names: Iterable[str], disk_bytes: int) -> int:
        """Return the size of a new writable layer over saved ones.

        What is stored may be twice what one sandbox may write, and then grows no more.

        Raises:
            LayerError: a layer is gone.
        """
        stored = sum(layer_bytes(self.layers, name) for name in names)
        return min(disk_bytes, max(2 * disk_bytes - stored, _LAYER_MIN_BYTES))

    def strays(self, *, whole: bool) -> list[str]:
        """Return what lies here and nobody holds: of a server that was killed.

        Args:
            whole: whole layers too, not only parts of some that were never finished.
        """
        free = [name for name in self.everything() if name not in self._holders]
        return [name for name in free if whole or name.startswith(f"{self.space}/{_ASIDE}")]

    def everything(self) -> list[str]:
        """Return all layers that lie here."""
        folders = [entry.name for entry in self.folder.iterdir() if entry.is_dir()]
        mine = [name for name in folders if name[0] != "." or name.startswith(_ASIDE)]
        return [f"{self.space}/{name}" for name in mine]

    async def discard(self, nursery: ZygoteClient, names: Iterable[str]) -> None:
        """Remove layers; what will not go is logged, and tried again at the next start."""
        for name in names:
            try:
                await discard_layer(nursery, self.layers, name)
            except FileNotFoundError:
                continue
            except (LayerError, OSError) as cause:
                _log.error("layer_left_behind", layer=name, cause=str(cause))

    def close(self, *, remove: bool = False) -> None:
        """Give up the lock; `remove` an empty space wholly. Idempotent."""
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()
