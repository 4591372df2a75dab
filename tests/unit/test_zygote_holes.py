"""Objects made after the holes were filled lie side by side."""

import subprocess
import sys

_PAGE_BYTES = 4096
_SCATTERED = f"""
import gc
from capibara6_sandbox.zygote import holes

garbage = [bytes(range(n % 200, n % 200 + 40)) for n in range(60_000)]
kept = garbage[::64]
del garbage
gc.collect()
FILL
made = [bytes(range(n, n + 40)) for n in range(100)]
print(len({{id(one) // {_PAGE_BYTES} for one in made}}))
"""


def _pages_of_new_objects(fill: str) -> int:
    program = _SCATTERED.replace("FILL", fill)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


def test_new_objects_share_pages_once_the_holes_are_filled() -> None:
    filled = _pages_of_new_objects("holes.fill()")
    assert filled <= 4
    assert filled < _pages_of_new_objects("")


def test_filling_takes_bounded_memory_where_no_two_objects_are_neighbours() -> None:
    program = (
        "from capibara6_sandbox.zygote import holes\n"
        "print(holes.fill(), holes.FILLING_BYTES_MAX * 32)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONMALLOC": "malloc", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    taken, bound = map(int, done.stdout.split())
    assert 0 < taken <= bound
