"""The R kernel, with a real R."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capibara6_guest.kernels.r import RKernel
from kernel_session import current_user, open_fds, processes_with, run, run_and_interrupt
from support.languages import needs_r


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[RKernel]:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    kernel = RKernel(current_user(), str(tmp_path), env)
    yield kernel
    await kernel.stop()


@needs_r
@pytest.mark.parametrize("endless", ["repeat {}", "Sys.sleep(60)", "repeat system('sleep 60')"])
async def test_an_interrupt_ends_the_cell_and_keeps_the_variables(r: RKernel, endless: str) -> None:
    await run(r, "x <- 5")
    cell = await run_and_interrupt(r, f"cat('begun\\n'); {endless}", "begun")
    assert cell.error is not None
    assert cell.error["name"] == "KeyboardInterrupt"
    assert (await run(r, "x")).text == "[1] 5"


@needs_r
async def test_names_of_the_user_do_not_change_the_kernel(r: RKernel) -> None:
    await run(r, "c <- paste0 <- send <- print <- stop('mine')")
    await run(r, "c <- paste0 <- send <- toJSON <- function(...) stop('mine')")
    assert (await run(r, "1 + 1")).text == "[1] 2"
    assert (await run(r, "sort(ls())")).text == '[1] "c"      "paste0" "send"   "toJSON"'


@needs_r
async def test_bytes_that_are_no_text_and_warnings_are_told(r: RKernel) -> None:
    await run(r, "print.bytes <- function(x, ...) cat('a\\xff')")
    assert (await run(r, "structure(1, class = 'bytes')")).text == "a<ff>"
    warned = await run(r, "as.integer('a')")
    assert warned.stderr == "Warning message:\nNAs introduced by coercion\n"
    assert (await run(r, "1 +")).error is not None
    assert (await run(r, "2")).text == "[1] 2"


@needs_r
async def test_its_end_is_seen_though_a_child_holds_its_pipes(r: RKernel) -> None:
    before = open_fds()
    cell = await run(r, "system('sleep 98.5 &'); quit(status = 4)")
    assert cell.error is not None
    assert cell.error["name"] == "KernelDied"
    assert "status 4" in cell.error["value"]
    assert processes_with("98.5") == []
    assert open_fds() <= before


async def test_without_r_it_names_what_to_install(tmp_path: Path) -> None:
    kernel = RKernel(current_user(), str(tmp_path), {"PATH": str(tmp_path)})
    cell = await run(kernel, "1")
    assert cell.error is not None
    assert cell.error["name"] == "KernelNotStarted"
    assert "make extras" in cell.error["value"]
    await kernel.stop()
