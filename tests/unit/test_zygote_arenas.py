"""Small objects made while arenas are held lie in them, and what is left over goes back."""

import subprocess
import sys

_SPREAD = """
import mmap
from capibara6_sandbox.zygote import arenas

taken = []  # by libraries, as it were, between one arena and the next

def grow():
    made = []
    for _ in range(16):
        made += [bytes(300) for _ in range(6_000)]
        taken.append(mmap.mmap(-1, 8 << 20))
    return made

HOLD
    made = grow()
addresses = sorted(id(one) >> 20 for one in made)
print(addresses[-1] - addresses[0])
"""

_ANONYMOUS = """
from pathlib import Path
from capibara6_sandbox.zygote import arenas

def resident():
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 >> 20

before = resident()
with arenas.side_by_side(64):
    held = resident()
print(held - before, resident() - before)
"""


def _run(program: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return [int(word) for word in done.stdout.split()]


def test_objects_lie_side_by_side_whatever_is_mapped_meanwhile() -> None:
    (together,) = _run(_SPREAD.replace("HOLD", "with arenas.side_by_side(64):"))
    (scattered,) = _run(_SPREAD.replace("HOLD", "if True:"))
    assert together <= 64
    assert together < scattered


def test_what_nothing_came_to_lie_in_is_given_back() -> None:
    held, left = _run(_ANONYMOUS)
    assert held >= 60
    assert left <= 8
