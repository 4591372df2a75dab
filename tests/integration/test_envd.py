"""envd as a whole: the published asynchronous SDK, and what large files cost."""

import asyncio
import os
from pathlib import Path

import httpx
from e2b import AsyncSandbox

MIB = 1024 * 1024


async def test_the_asynchronous_sdk_works_too(envd, tmp_path):
    sandbox = envd.client(AsyncSandbox)
    path = str(tmp_path / "file")

    async def pieces():
        for piece in (b"one ", b"two"):
            yield piece

    await sandbox.files.write(path, pieces())
    assert await sandbox.files.read(path) == "one two"
    heard: list[str] = []
    command = await sandbox.commands.run(
        "cat; echo done", background=True, stdin=True, on_stdout=heard.append
    )
    await sandbox.commands.send_stdin(command.pid, "fed ")
    await sandbox.commands.close_stdin(command.pid)
    result = await command.wait()
    assert result.stdout == "".join(heard) == "fed done\n"
    assert await sandbox.is_running()


async def test_many_calls_at_once_are_served(envd):
    sandbox = envd.client(AsyncSandbox)

    async def run(index: int) -> str:
        return (await sandbox.commands.run(f"echo {index}")).stdout

    results = await asyncio.gather(*(run(index) for index in range(40)))
    assert results == [f"{index}\n" for index in range(40)]


def test_large_files_are_never_held_whole(envd, tmp_path):
    size = 300 * MIB
    path = {"path": str(tmp_path / "large")}
    agent, server = envd.agent.pid, os.getpid()  # the server is a thread of this process
    before = {pid: _reset_peak(pid) for pid in (agent, server)}
    with httpx.Client(base_url=envd.url, headers=envd.headers, timeout=60) as http:
        body = (bytes(MIB) for _ in range(size // MIB))
        kind = {"Content-Type": "application/octet-stream"}
        assert http.post("/files", params=path, headers=kind, content=body).status_code == 200
        with http.stream("GET", "/files", params=path) as reply:
            assert sum(len(piece) for piece in reply.iter_raw()) == size
    for pid, start in before.items():
        assert _peak(pid) - start < 40 * MIB


def test_an_agent_leaks_no_descriptor(envd):
    sandbox = envd.client()

    def use() -> None:
        sandbox.commands.run("echo x")
        sandbox.files.write("/tmp/capibara6-leak-test", "x")
        sandbox.files.read("/tmp/capibara6-leak-test")
        sandbox.files.remove("/tmp/capibara6-leak-test")

    use()
    before = _descriptors(envd.agent.pid)
    for _ in range(20):
        use()
    assert _descriptors(envd.agent.pid) <= before + 2  # a closing connection may linger


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _reset_peak(pid: int) -> int:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _peak(pid)


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")
