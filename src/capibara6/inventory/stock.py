"""Inventories of templates: taken in a sandbox once, kept as files, checked by their versions."""

import asyncio
import contextlib
import gzip
import importlib.resources
import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from capibara6.domain.executions import ExecutionRequest, ExecutionResult
from capibara6.domain.ports import Executor
from capibara6.errors import CapibaraError
from capibara6.inventory.index import Inventory

OUTPUT: Final = "inventory.json.gz"  # as the scan names it
DOCUMENT_BYTES_MAX: Final = 64 * 1024**2
_TAKING_S_MAX: Final = 300.0
_CHECK_S_MAX: Final = 60.0
_CHECK: Final = """
import json
from importlib import metadata

print(json.dumps({one.metadata["Name"]: one.version for one in metadata.distributions()}))
"""

log = logging.getLogger(__name__)


class Stock:
    """The inventory of one template, at hand once somebody has asked for it.

    Args:
        executor: runs the program that takes it.
        template: any preset over the environment; the one with the most memory is quickest.
        folder: where it is kept between processes.
    """

    def __init__(self, executor: Executor, template: str, folder: Path) -> None:
        self._executor = executor
        self._template = template
        self._file = folder / f"{template}.json.gz"
        self._taking: asyncio.Task[Inventory | None] | None = None

    @property
    def at_hand(self) -> Inventory | None:
        """The inventory if it has been got already."""
        task = self._taking
        done = task is not None and task.done() and not task.cancelled()
        return task.result() if task and done else None

    async def get(self, wait_s: float = _TAKING_S_MAX) -> Inventory | None:
        """The inventory; None, logged, when it cannot be had, or not within `wait_s`.

        The first call of a process asks a sandbox for the versions, and takes the inventory anew
        if they are not those of the kept one. Calls at the same time share the work, which goes on
        when one of them leaves.
        """
        if self._taking is None:
            self._taking = asyncio.create_task(self._got())
        task = self._taking
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(task), wait_s)
        return None

    async def kept(self, wait_s: float) -> Inventory | None:
        """As `get`, if it was taken before: whoever asks is helped by it, and can do without."""
        if self._taking is None and not await asyncio.to_thread(self._file.exists):
            return None
        return await self.get(wait_s)

    async def close(self) -> None:
        """Stop what is under way."""
        if self._taking is not None and not self._taking.done():
            self._taking.cancel()
            await asyncio.wait([self._taking])

    async def _got(self) -> Inventory | None:
        try:
            kept = await asyncio.to_thread(self._read)
            checked = await self._run(_CHECK, _CHECK_S_MAX) if kept else None
            if kept and checked and _versions(checked) == kept.versions:
                return kept
            return await self._taken()
        except (CapibaraError, OSError, ValueError, zlib.error) as cause:
            # Facts about packages are a help; a run goes on without them, and the log says so.
            log.warning("the packages of template %s cannot be listed: %s", self._template, cause)
            return None

    def _read(self) -> Inventory | None:
        try:
            return read_inventory(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zlib.error) as cause:
            log.warning("inventory %s is not readable (%s); it is taken anew", self._file, cause)
            return None

    async def _taken(self) -> Inventory:
        source = importlib.resources.files(__package__).joinpath("scan.py")
        result = await self._run(source.read_text(encoding="utf-8"), _TAKING_S_MAX)
        found = [one.content for one in result.artefacts if one.name.rpartition("/")[2] == OUTPUT]
        if not found:
            said = result.error.value if result.error else result.stderr[-200:]
            raise ValueError(f"the program that lists them left nothing: {said[:200]}")
        inventory = await asyncio.to_thread(read_inventory, found[0])
        await asyncio.to_thread(self._keep, found[0])
        return inventory

    def _keep(self, content: bytes) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._file.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(content)
        fresh.replace(self._file)

    async def _run(self, code: str, timeout_s: float) -> ExecutionResult:
        request = ExecutionRequest(code, template=self._template, timeout_s=timeout_s)
        result: ExecutionResult | None = None
        async for item in self._executor.execute(request):
            if isinstance(item, ExecutionResult):
                result = item
        if result is None:
            raise ValueError("the sandbox gave no result")
        return result


def read_inventory(content: bytes) -> Inventory:
    """Read a compressed document.

    Raises:
        ValueError, OSError, EOFError, zlib.error: it is none, or too large.
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = unpacker.decompress(content, DOCUMENT_BYTES_MAX)
    if unpacker.unconsumed_tail:
        raise ValueError(f"larger than {DOCUMENT_BYTES_MAX:,} bytes")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as any other fault of it
    return Inventory(document)


def pack_inventory(document: Mapping[str, Any]) -> bytes:
    """A document as it is kept."""
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode())


def _versions(result: ExecutionResult) -> dict[str, str]:
    try:
        found = json.loads(result.stdout)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
