"""Kernels: what runs code and keeps its state between runs, one module a language."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any


class Kernel(ABC):
    """A running kernel, as the agent sees it. One execution at a time; the caller sees to that."""

    @abstractmethod
    def execute(
        self, code: str, env: Mapping[str, str], dialect: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Run `code` with `env` set for this call only, and yield what happens.

        `dialect` names the language of the code where the kernel runs more than its own.

        Events have E2B's own form, without "keepalive" and "end_of_execution":
        {"type": "number_of_executions", "execution_count": int},
        {"type": "stdout" | "stderr", "text": str, "timestamp": RFC 3339 str},
        {"type": "result", <field>: ..., "is_main_result": bool},
        {"type": "error", "name": str, "value": str, "traceback": str}.
        A kernel that dies yields an error event and ends; `alive` is then False.
        """

    @abstractmethod
    async def interrupt(self) -> None:
        """Interrupt the current execution; the kernel and its state live on where possible."""

    @abstractmethod
    async def stop(self) -> None:
        """End the kernel and all that it started. Idempotent."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether the kernel can execute."""
