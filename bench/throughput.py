"""How many sandboxes a second live a whole life, with several clients at once.

The clients are threads in two processes, so that the SDK's own work uses both processors as the
clients of a real server would.
"""

import multiprocessing
import threading
import time

from e2b_code_interpreter import Sandbox

from servers import Server

CLIENTS = 8
PROCESSES = 2


def lives_per_second(server: Server, seconds: float) -> list[float]:
    """Create, run 1+1, kill, again and again; return how many lives ended in each second."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        found = pool.starmap(_live, [(server, seconds)] * PROCESSES)
    ends = sorted(end for process in found for end in process)
    last = ends[-1]  # counted back from it: at the end, all clients were at work
    ages = [int(last - end) for end in ends]
    # The first second goes: its clients had yet to connect.
    return [float(ages.count(age)) for age in range(max(ages))]


def _live(server: Server, seconds: float) -> list[float]:
    """Live with this process's share of the clients; return when each life ended."""
    ends: list[float] = []
    failures: list[str] = []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_client, args=(server, until, ends, failures))
        for _ in range(CLIENTS // PROCESSES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} lives failed; the first: {failures[0]}")
    return ends


def _client(server: Server, until: float, ends: list[float], failures: list[str]) -> None:
    while time.monotonic() < until:
        try:
            sandbox = Sandbox.create(**server.sdk)
            if sandbox.run_code("1+1").text != "2":
                failures.append("a wrong answer")
            sandbox.kill()
        except Exception as failure:  # noqa: BLE001 - told by the parent, which then gives up
            failures.append(repr(failure))
            return
        ends.append(time.monotonic())
