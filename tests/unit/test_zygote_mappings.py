"""Which mappings of a library become one with their neighbours."""

import mmap
import subprocess
import sys

from capibara6_sandbox.zygote.mappings import mergeable, parse

_CODE = mmap.PROT_READ | mmap.PROT_EXEC
_VARIABLES = mmap.PROT_READ | mmap.PROT_WRITE

_LIBRARY = """\
7f0000000000-7f0000001000 r--p 00000000 fe:00 42 /opt/lib/a.so
7f0000001000-7f0000003000 r-xp 00001000 fe:00 42 /opt/lib/a.so
7f0000003000-7f0000004000 r--p 00003000 fe:00 42 /opt/lib/a.so
7f0000004000-7f0000005000 r--p 00003000 fe:00 42 /opt/lib/a.so
7f0000005000-7f0000006000 rw-p 00004000 fe:00 42 /opt/lib/a.so
"""


def _rights(maps: str) -> list[tuple[int, int]]:
    found = mergeable([parse(line) for line in maps.splitlines()])
    return [(mapping.start & 0xFFFFF, rights) for mapping, rights in found]


def test_a_library_becomes_code_and_variables() -> None:
    assert _rights(_LIBRARY) == [(0, _CODE), (0x3000, _CODE), (0x4000, _VARIABLES)]


def test_other_files_and_gaps_stay_apart() -> None:
    other = _LIBRARY.replace(" 42 ", " 43 ", 1)
    assert (0, _CODE) not in _rights(other)
    apart = _LIBRARY.replace("7f0000001000-", "7f0000002000-").replace("00001000 fe", "00002000 fe")
    assert (0, _CODE) not in _rights(apart)


def test_memory_without_a_file_stays_as_it_is() -> None:
    anonymous = _LIBRARY.replace(" fe:00 42 /opt/lib/a.so", " 00:00 0")
    assert _rights(anonymous) == []


def test_a_program_runs_on_with_fewer_mappings() -> None:
    program = """
import ssl, sqlite3, ctypes, json
from pathlib import Path
from capibara6_sandbox.zygote import mappings
count = lambda: len(Path("/proc/self/maps").read_text().splitlines())
before = count()
merged = mappings.merge()
import decimal
assert str(decimal.Decimal(1) / 4) == "0.25" and ssl.RAND_bytes(4) and json.dumps([1]) == "[1]"
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
print(merged, before - count())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    merged, fewer = (int(word) for word in done.stdout.split())
    assert merged > 0
    assert fewer > 0
