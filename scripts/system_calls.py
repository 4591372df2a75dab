"""Write docs/SYSTEM_CALLS.md from the code: `python scripts/system_calls.py`.

tests/docs compares the page with what this makes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation.call_groups import ALLOWED, DENIED, NARROWED, Group
from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64

PAGE: Final = Path(__file__).parents[1] / "docs/SYSTEM_CALLS.md"
_HEAD: Final = """\
# System calls of a sandbox

Written by `scripts/system_calls.py` from `capibara6_sandbox/isolation/call_groups.py`; do not edit.

Every program of a sandbox, its root's too, runs behind this filter, which nothing can take off. It
is an allow-list: what stands nowhere here answers "function not implemented" (ENOSYS), and so does
every call of another interface of the kernel (i386, x32, 32-bit Arm). Calls in *italics* exist on
x86-64 alone, **bold** ones on arm64 alone.

{counts}
"""


def page() -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD.format(counts=_counts()),
            *_table("Allowed", "they may be called", ALLOWED),
            *_table("Allowed with some arguments", "with which arguments", NARROWED),
            *_table("Refused (EPERM)", "nobody may call them", DENIED),
        ]
    )


def _counts() -> str:
    tables = {"x86-64": X86_64, "arm64": AARCH64}
    told = [
        f"{_count(numbers, (*ALLOWED, *NARROWED))} are allowed and {_count(numbers, DENIED)}"
        f" refused on {machine}"
        for machine, numbers in tables.items()
    ]
    return f"{', '.join(told)}."


def _count(numbers: dict[str, int], groups: Iterable[Group]) -> int:
    return sum(name in numbers for group in groups for name in group.names)


def _table(title: str, why: str, groups: Iterable[Group]) -> list[str]:
    head = [f"## {title}", "", f"| group | calls | why {why} |", "|---|---|---|"]
    if title == "Allowed with some arguments":
        head[2] = f"| group | calls | {why} |"
    rows = [f"| {g.name} | {', '.join(map(_shown, g.names))} | {g.why} |" for g in groups]
    return [*head, *rows, ""]


def _shown(name: str) -> str:
    if name not in AARCH64:
        return f"*`{name}`*"
    return f"`{name}`" if name in X86_64 else f"**`{name}`**"


if __name__ == "__main__":
    PAGE.write_text(page())
