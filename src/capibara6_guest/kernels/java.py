"""The kernel of Java: a JVM with `JavaKernel.java`, which drives JShell inside itself."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from subprocess import Popen
from typing import Any, Final

from capibara6_guest.kernels.process import ProcessKernel
from capibara6_guest.location import package_folder
from capibara6_guest.spawn import spawn

# A short start counts for more than the last speed; nothing is written outside of the memory.
_OPTIONS: Final = (
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:CompressedClassSpaceSize=128m",
    "-XX:ReservedCodeCacheSize=64m",
    "-Dfile.encoding=UTF-8",
)
HEAP_SHARE: Final = 0.4  # of the sandbox's memory


class JavaKernel(ProcessKernel):
    """Runs Java as JShell does; its variables, methods, classes and imports live on.

    Needs a JDK of version 17 or later. `System.exit()` ends the kernel.
    """

    language = "java"

    async def execute(
        self, code: str, env: Mapping[str, str], dialect: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Run `code`; a line end comes as an event of its own, as from E2B's kernel."""
        async for event in super().execute(code, env, dialect):
            text = event.get("text", "") if event["type"] in ("stdout", "stderr") else ""
            if text.endswith("\n") and text != "\n":
                yield {**event, "text": text[:-1]}
                yield {**event, "text": "\n"}
            else:
                yield event

    def _spawn(self, requests: int, messages: int, out: int, err: int) -> "Popen[bytes]":
        for program in ("java", "jshell"):
            self._require(program)
        self._let_reopen(requests, messages)
        program = str(package_folder() / "kernels/JavaKernel.java")
        return spawn(
            ["java", *self._options(), program, str(requests), str(messages)],
            user=self._user,
            cwd=self._cwd,
            env=self._env,
            stdout=out,
            stderr=err,
            pass_fds=(requests, messages),
        )

    def _why_not_started(self, cause: OSError) -> str:
        if cause.filename in ("java", "jshell"):
            return (
                f"the program `{cause.filename}` is not installed here, so Java cannot run; on the "
                "server's machine run `make extras`, which installs default-jdk-headless, and "
                "start it again"
            )
        return super()._why_not_started(cause)

    def _request(self, number: int, code: str, env: Mapping[str, str], dialect: str) -> bytes:
        del dialect
        words = [code, *(word for item in env.items() for word in item)]
        if "" in env:
            raise ValueError("an environment variable of Java needs a name")
        encoded = (b64encode(word.encode("utf-8", "replace")) for word in words)
        return b" ".join((str(number).encode(), *encoded)) + b"\n"

    def _options(self) -> tuple[str, ...]:
        """Return the options; the heap is a part of what the sandbox may use, unseen by Java."""
        heap_kib = int(self._memory_bytes * HEAP_SHARE) // 1024
        return (*_OPTIONS, f"-Xmx{heap_kib}k") if heap_kib else _OPTIONS
