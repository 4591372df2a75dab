"""One server's saved layers: what is held, by whom, and what may go."""

import asyncio
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import LayerError
from capibara6_sandbox.host.layers import ASIDE, layer_bytes, remove_layer, save_layer
from capibara6_sandbox.host.placement import spread
from capibara6_sandbox.host.zygotes import ZygoteClient
from capibara6_sandbox.isolation import linux

JOINED_FROM: Final = 8  # so many layers of one sandbox become one when the next is saved
_LAYER_MIN_BYTES: Final = 1024 * 1024


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
        spread(self.folder)
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
        return [name for name in free if whole or name.startswith(f"{self.space}/{ASIDE}")]

    def everything(self) -> list[str]:
        """Return all layers that lie here."""
        folders = [entry.name for entry in self.folder.iterdir() if entry.is_dir()]
        mine = [name for name in folders if name[0] != "." or name.startswith(ASIDE)]
        return [f"{self.space}/{name}" for name in mine]

    async def discard(self, nursery: ZygoteClient, names: Iterable[str]) -> None:
        """Remove layers."""
        for name in names:
            await remove_layer(nursery, self.layers, name)

    def close(self, *, remove: bool = False) -> None:
        """Give up the lock; `remove` an empty space wholly. Idempotent."""
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()
