"""The system calls that a sandbox may make, compiled to a seccomp BPF filter.

An allow-list; `call_groups` has it with its reasons. What is known to be dangerous answers EPERM;
what this kernel or this list does not know answers ENOSYS, so that libraries fall back (clone3, for
one, whose flags BPF cannot read). Foreign ABIs (i386, x32) answer ENOSYS wholly. Standard library
only: zygotes import this.
"""

import errno
import platform
import socket
import struct
from typing import Final

from capibara6_sandbox.isolation.call_groups import ALLOWED, DENIED
from capibara6_sandbox.isolation.linux import NAMESPACES
from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64

_NUMBERS: Final = {"x86_64": X86_64, "aarch64": AARCH64}
_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
_ASK: Final = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
_NO_FAMILY: Final = 0x00050000 | errno.EAFNOSUPPORT
_NO_PROTOCOL: Final = 0x00050000 | errno.EPROTONOSUPPORT
_DONE: Final = 0x00050000  # what a call returns that has succeeded

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL: Final = 0x15
_JUMP_NOT_LESS: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_AND: Final = 0x54
_RETURN: Final = 0x06

_NUMBER_OFFSET: Final = 0
_ARCH_OFFSET: Final = 4
_FIRST, _SECOND, _THIRD = 16, 24, 32  # arguments: their low 32 bits, as both machines order them
_HIGH_BITS: Final = 4  # from there

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET = 1, 2, 5
_PROTOCOLS: Final = (0, socket.IPPROTO_ICMP, socket.IPPROTO_TCP, socket.IPPROTO_UDP, 58)
_ATTACH_BPF: Final = (26, 50, 51, 52)  # options of a socket
_TERMINAL_REQUESTS: Final = (0x5412, 0x541C, 0x541D, 0x5423)
_RLIMIT_CORE: Final = 4
_PERSONALITY_QUERY: Final = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k


def build_filter(machine: str = platform.machine(), *, asks_for_setns: bool = False) -> bytes:
    """Compile the filter for `machine` ("x86_64" or "aarch64").

    Args:
        machine: whose numbers.
        asks_for_setns: leave `setns`, which is refused otherwise, to whoever holds the filter's
            listener. For Python kernels, which enter the sandbox that a live fork makes.

    Raises:
        KeyError: there is no table for this machine.
    """
    numbers = _NUMBERS[machine]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _UNKNOWN),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_JUMP_NOT_LESS, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _UNKNOWN),
    ]
    narrowed = _narrowed()
    if asks_for_setns:
        narrowed["setns"] = [(_RETURN, 0, 0, _ASK)]
    for name, checks in narrowed.items():
        if name in numbers:
            program += _when_number(numbers[name], checks)
    program += _decide(_intervals(numbers))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _narrowed() -> dict[str, list[Instruction]]:
    """Return, for each call that is allowed only with some arguments, the code that decides."""
    namespace_flags = sum(NAMESPACES.values())
    families = (_AF_UNIX, _AF_INET, _AF_INET6)
    kinds = (_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET)
    return {
        "clone": [
            (_LOAD, 0, 0, _FIRST),
            (_JUMP_ANY_BIT, 0, 1, namespace_flags),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "socket": [
            (_LOAD, 0, 0, _FIRST),
            *_one_of(families, _NO_FAMILY),
            (_LOAD, 0, 0, _SECOND),
            (_AND, 0, 0, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
            *_one_of(kinds, _REFUSE),
            (_LOAD, 0, 0, _THIRD),
            *_one_of(_PROTOCOLS, _NO_PROTOCOL),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "setsockopt": [
            (_LOAD, 0, 0, _SECOND),
            (_JUMP_EQUAL, 1, 0, socket.SOL_SOCKET),
            (_RETURN, 0, 0, _ALLOW),
            (_LOAD, 0, 0, _THIRD),
            *_none_of(_ATTACH_BPF, _REFUSE),
        ],
        "personality": [
            (_LOAD, 0, 0, _FIRST),
            *_one_of((0, _PERSONALITY_QUERY), _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "ioctl": [(_LOAD, 0, 0, _SECOND), *_none_of(_TERMINAL_REQUESTS, _REFUSE)],
        "setrlimit": [(_LOAD, 0, 0, _FIRST), *_none_of((_RLIMIT_CORE,), _DONE)],
        "prlimit64": [
            (_LOAD, 0, 0, _SECOND),
            (_JUMP_EQUAL, 1, 0, _RLIMIT_CORE),
            (_RETURN, 0, 0, _ALLOW),
            (_LOAD, 0, 0, _THIRD),  # where the new limit stands; nowhere: it is only asked for
            (_JUMP_EQUAL, 0, 2, 0),
            (_LOAD, 0, 0, _THIRD + _HIGH_BITS),
            (_JUMP_EQUAL, 1, 0, 0),
            (_RETURN, 0, 0, _DONE),
            (_RETURN, 0, 0, _ALLOW),
        ],
    }


def _one_of(values: tuple[int, ...], otherwise: int) -> list[Instruction]:
    """Go on if the accumulator is one of `values`, else return `otherwise`."""
    last = len(values)
    tests = [(_JUMP_EQUAL, last - index, 0, value) for index, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, otherwise)]


def _none_of(values: tuple[int, ...], otherwise: int) -> list[Instruction]:
    """Allow unless the accumulator is one of `values`; then return `otherwise`."""
    last = len(values)
    tests = [(_JUMP_EQUAL, last - index, 0, value) for index, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, otherwise)]


def _when_number(number: int, checks: list[Instruction]) -> list[Instruction]:
    return [(_JUMP_EQUAL, 0, len(checks), number), *checks]


def _intervals(numbers: dict[str, int]) -> list[tuple[int, int]]:
    """Return (first number, verdict), ascending; each holds until the next."""
    verdicts: dict[int, int] = {}
    for groups, verdict in ((DENIED, _REFUSE), (ALLOWED, _ALLOW)):
        names = (name for group in groups for name in group.names)
        verdicts |= {numbers[name]: verdict for name in names if name in numbers}
    intervals = [(0, _UNKNOWN)]
    for number in range(max(verdicts) + 2):
        verdict = verdicts.get(number, _UNKNOWN)
        if number == 0:
            intervals = [(0, verdict)]
        elif verdict != intervals[-1][1]:
            intervals.append((number, verdict))
    return intervals


def _decide(intervals: list[tuple[int, int]]) -> list[Instruction]:
    """Compile a binary search over the intervals: about eight comparisons a call."""
    if len(intervals) == 1:
        return [(_RETURN, 0, 0, intervals[0][1])]
    middle = len(intervals) // 2
    low, high = _decide(intervals[:middle]), _decide(intervals[middle:])
    if len(low) > 255:  # a BPF jump has eight bits
        raise ValueError(f"the seccomp filter's search tree is too large ({len(low)})")
    return [(_JUMP_NOT_LESS, len(low), 0, intervals[middle][0]), *low, *high]
