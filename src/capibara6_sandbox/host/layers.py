"""Saved layers: what sandboxes have written, on the server's disk, for others to start from.

A layer lies in `<layers>/<space>/<id>/tree`, and its size beside it. Its name is `<space>/<id>`; a
space belongs to one owner, which alone says what of it is still needed. The files themselves are a
guest's: only the nursery touches them, also because they may be files that an ordinary user's
server may not read.
"""

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from capibara6_sandbox.errors import LayerError, UnsavableError
from capibara6_sandbox.host.placement import spread
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.isolation.layers import OF_FILES

REPORT_TIMEOUT_S: Final = 300.0
_REPORT_BYTES_MAX: Final = 64 * 1024
ASIDE: Final = ".part-"
_TRIES: Final = 10
_TRY_S: Final = 0.2

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
        LayerError: the disk is full.
        UnsavableError: the layer is one that cannot be copied.
    """
    name = secrets.token_hex(8)
    aside = layers / space / f"{ASIDE}{name}"
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
        await asyncio.shield(remove_layer(nursery, layers, f"{space}/{aside.name}"))
        if isinstance(cause, LayerError | OSError):
            kind = UnsavableError if isinstance(cause, UnsavableError) else LayerError
            raise kind(f"The files could not be saved: {cause}") from None
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
    aside = folder / f"{ASIDE}{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        spread(folder)
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


async def remove_layer(nursery: ZygoteClient, layers: Path, name: str) -> None:
    """Remove a layer, also when the nursery has ended over it or meanwhile. Idempotent.

    What will not go is logged, and tried again at the next start.
    """
    try:
        await discard_layer(nursery, layers, name)
    except FileNotFoundError:
        return
    except (LayerError, OSError) as cause:
        for _ in range(_TRIES):  # the nursery's copiers end with it, if perhaps not at once
            await asyncio.to_thread(shutil.rmtree, layers / name, ignore_errors=True)
            if not (layers / name).exists():
                return
            await asyncio.sleep(_TRY_S)
        _log.error("layer_left_behind", layer=name, cause=str(cause))


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
        kind = UnsavableError if answer.get("errno") in OF_FILES else LayerError
        raise kind(str(answer["error"]))
    return answer


def _measure(tree: Path) -> dict[str, int]:
    inodes = stored = 0
    todo = [str(tree)]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                inodes += 1
                stored += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
    return {"bytes": stored, "inodes": inodes}


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
