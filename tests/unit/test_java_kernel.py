"""The Java kernel, with a real JVM."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capibara6_guest.kernels.java import JavaKernel
from kernel_session import current_user, open_fds, run, run_and_interrupt
from support.languages import needs_java


@pytest.fixture
async def java(tmp_path: Path) -> AsyncIterator[JavaKernel]:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    kernel = JavaKernel(current_user(), str(tmp_path), env)
    yield kernel
    await kernel.stop()


@needs_java
async def test_an_interrupt_ends_the_cell_and_keeps_the_variables(java: JavaKernel) -> None:
    await run(java, "int x = 5;")
    for endless in ("while (true) {}", "Thread.sleep(60_000);"):
        code = f'System.out.println("begun"); {endless}'
        cell = await run_and_interrupt(java, code, "begun")
        assert cell.error is not None
        assert cell.error["name"] == "KeyboardInterrupt"
    assert (await run(java, "x")).text == "5"


@needs_java
async def test_values_are_told_as_they_are(java: JavaKernel) -> None:
    code = '"\\u00e9 \\t\\"\\\\\\u0001 \\ud83d\\ude00"'
    assert (await run(java, code)).text == 'é \t"\\\x01 😀'
    assert (await run(java, "int y = 3;")).text is None
    assert (await run(java, "y = 4")).text == "4"
    assert (await run(java, "// nothing")).events[1:] == []
    assert (await run(java, "int z = ")).error is not None


@needs_java
async def test_its_end_is_told(java: JavaKernel) -> None:
    before = open_fds()
    cell = await run(java, "System.exit(4)")
    assert cell.error is not None
    assert cell.error["name"] == "KernelDied"
    assert "status 4" in cell.error["value"]
    assert open_fds() <= before


async def test_without_java_it_names_what_to_install(tmp_path: Path) -> None:
    kernel = JavaKernel(current_user(), str(tmp_path), {"PATH": str(tmp_path)})
    cell = await run(kernel, "1")
    assert cell.error is not None
    assert cell.error["name"] == "KernelNotStarted"
    assert "make extras" in cell.error["value"]
    await kernel.stop()
