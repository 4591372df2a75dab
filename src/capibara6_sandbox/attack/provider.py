"""What is attacked: a server that is started for it, or whatever the environment points at."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx

from capibara6_sandbox.attack.decoys import new_secret

_STARTED_S_MAX: Final = 900.0  # the first start on a machine builds the templates
_STOPPED_S_MAX: Final = 30.0
_HEALTH_S_MAX: Final = 10.0
# A few copies of the largest message (64 MiB) until they are collected: bounded, if not small.
_MEMORY_GROWTH_BYTES_MAX: Final = 512 << 20
_LOG_BYTES: Final = 4096

Notify = Callable[[str], None]


class ProviderError(Exception):
    """There is nothing to attack; the message says why."""


@dataclass(slots=True)
class Provider:
    """An E2B-speaking server, and what of it can be seen from here."""

    options: dict[str, Any]  # for the SDK
    secrets: dict[str, str] = field(default_factory=dict)
    pid: int = 0  # of a server on this machine; 0: none that we know
    degraded: tuple[str, ...] = ()
    isolation: str = ""  # the container runtime of its sandboxes, if we chose one
    _memory_bytes: int = 0

    async def complaints(self) -> list[str]:
        """Return what is wrong with the server itself, for people."""
        if not self.pid:
            return []
        try:
            async with httpx.AsyncClient(timeout=_HEALTH_S_MAX, trust_env=False) as client:
                status = (await client.get(f"{self.options['api_url']}/health")).status_code
        except httpx.HTTPError as cause:
            return [f"the server does not answer: {type(cause).__name__}"]
        found = [] if status < 300 else [f"the server's health is {status}"]
        now = _resident_bytes(self.pid)
        self._memory_bytes = self._memory_bytes or now
        if now > self._memory_bytes + _MEMORY_GROWTH_BYTES_MAX:
            found.append(f"the server's memory grew to {now >> 20} MiB")
            self._memory_bytes = now
        return found


class OwnServer:
    """A server of our own, in a data folder of its own that shares the built templates.

    Args:
        data: where built templates lie.
        folder: an empty one.
        arguments: more of them, for `serve`.
        notify: told what a long start is at.
        isolation: the container runtime of its sandboxes; "" for none.
    """

    def __init__(
        self,
        data: Path,
        folder: Path,
        notify: Notify,
        arguments: Sequence[str] = (),
        isolation: str = "",
    ) -> None:
        (data / "templates").mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        (folder / "templates").symlink_to(data.resolve() / "templates")
        self._state = folder / "state.json"
        self._log = folder / "log"
        self._data = folder
        self._notify = notify
        self._isolation = isolation
        self._arguments = [*arguments, *(["--isolation", isolation] if isolation else [])]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Provider:
        """Start it.

        Raises:
            ProviderError: it cannot start here.
        """
        secret = new_secret()
        command = [
            sys.executable, "-m", "capibara6_sandbox", "serve", "--port", "0",
            "--data", str(self._data), "--state", str(self._state), *self._arguments,
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env={**os.environ, "C6_SECRET": secret, "E2B_API_KEY": ""},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        try:
            return await self._ready(secret)
        except BaseException:
            await self._stop()
            raise

    async def _ready(self, secret: str) -> Provider:
        assert self._process is not None
        try:
            async with asyncio.timeout(_STARTED_S_MAX):
                while not self._state.exists():
                    if self._process.returncode is not None:
                        raise ProviderError(f"There is nothing to attack. {self._tail(6)}")
                    self._notify(self._tail())
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ProviderError(f"The server is not ready: {self._tail()}") from None
        state = json.loads(self._state.read_text())
        url, key = state["api_url"], state["api_key"]
        return Provider(
            {"api_url": url, "sandbox_url": url, "api_key": key},
            {"environment of the server": secret, "key of the server": key},
            self._process.pid,
            tuple(state["degraded"]),
            self._isolation,
        )

    def _tail(self, lines: int = 1) -> str:
        text = self._log.read_text(errors="replace")[-_LOG_BYTES:].strip()
        return "\n".join(text.splitlines()[-lines:])

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        await self._stop()

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOPPED_S_MAX):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def provider_of_environment() -> Provider:
    """Return what E2B_API_KEY, E2B_API_URL and the like point at.

    Raises:
        ProviderError: there is no key.
    """
    key = os.environ.get("E2B_API_KEY", "")
    if not key:
        raise ProviderError("Set E2B_API_KEY (and E2B_API_URL for a server of your own).")
    return Provider({}, {"key of the server": key})


def _resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
