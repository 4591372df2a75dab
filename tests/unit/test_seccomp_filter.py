"""The filter's verdicts, by interpreting the compiled program for both architectures."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_sandbox.isolation.call_groups import ALLOWED, DENIED, NARROWED
from capibara6_sandbox.isolation.linux import NAMESPACES
from capibara6_sandbox.isolation.seccomp import build_filter
from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64
from support.bpf import run_filter

ALLOW = 0x7FFF0000
ERROR = 0x00050000
REFUSE, UNKNOWN, NO_FAMILY = (
    ERROR | number for number in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT)
)
NUMBERS = {"x86_64": X86_64, "aarch64": AARCH64}
NARROWED_CALLS = {name for group in NARROWED for name in group.names}
ALLOWED_CALLS = {name for group in ALLOWED for name in group.names}
DENIED_CALLS = {name for group in DENIED for name in group.names}
MACHINES = pytest.mark.parametrize("machine", NUMBERS)
FILTERS = {machine: build_filter(machine) for machine in NUMBERS}


def verdict(machine: str, name: str, *arguments: int) -> int:
    return run_filter(FILTERS[machine], machine, NUMBERS[machine][name], *arguments)


@MACHINES
def test_what_is_listed_as_allowed_is_allowed(machine: str) -> None:
    names = ALLOWED_CALLS & NUMBERS[machine].keys()
    assert len(names) > 200
    assert {name: verdict(machine, name) for name in names} == dict.fromkeys(names, ALLOW)


@MACHINES
def test_what_is_listed_as_denied_is_refused(machine: str) -> None:
    names = DENIED_CALLS & NUMBERS[machine].keys()
    assert {"mount", "bpf", "ptrace", "unshare", "setns", "keyctl", "io_uring_setup"} <= names
    assert {name: verdict(machine, name) for name in names} == dict.fromkeys(names, REFUSE)


def test_every_call_is_decided_once() -> None:
    groups = (*ALLOWED, *NARROWED, *DENIED)
    names = [name for group in groups for name in group.names]
    assert len(names) == len(set(names))
    assert len({group.name for group in groups}) == len(groups)
    assert all(len(group.why.split()) > 3 for group in groups)


@MACHINES
def test_every_known_call_has_been_decided(machine: str) -> None:
    """One that is in neither list answers "unknown"; only clone3 is meant to."""
    decided = ALLOWED_CALLS | DENIED_CALLS | NARROWED_CALLS
    assert NUMBERS[machine].keys() - decided == {"clone3"}
    assert verdict(machine, "clone3") == UNKNOWN


@MACHINES
def test_a_misspelt_name_would_be_noticed(machine: str) -> None:
    names = ALLOWED_CALLS | DENIED_CALLS | NARROWED_CALLS
    assert names <= X86_64.keys() | AARCH64.keys()


@given(machine=st.sampled_from(sorted(NUMBERS)), number=st.integers(0, 2**32 - 1))
def test_numbers_of_no_known_call_are_unknown(machine: str, number: int) -> None:
    expected = number in NUMBERS[machine].values()
    if not expected:
        assert run_filter(FILTERS[machine], machine, number) == UNKNOWN


@MACHINES
@pytest.mark.parametrize("foreign", ["i386", "arm", "x86_64", "aarch64"])
def test_calls_of_foreign_architectures_are_unknown(machine: str, foreign: str) -> None:
    if foreign != machine:
        verdicts = {run_filter(FILTERS[machine], foreign, number) for number in range(500)}
        assert verdicts == {UNKNOWN}


def test_x32_calls_are_unknown() -> None:
    verdicts = {run_filter(FILTERS["x86_64"], "x86_64", 0x40000000 | n) for n in range(600)}
    assert verdicts == {UNKNOWN}


@MACHINES
def test_clone_makes_processes_and_threads_but_no_namespace(machine: str) -> None:
    thread = 0x3D0F00  # CLONE_VM, CLONE_FS, ... as pthread_create asks for
    assert verdict(machine, "clone", 17) == ALLOW
    assert verdict(machine, "clone", thread) == ALLOW
    for flag in NAMESPACES.values():
        assert verdict(machine, "clone", flag | 17) == REFUSE
        assert verdict(machine, "clone", flag | thread) == REFUSE


@MACHINES
@pytest.mark.parametrize("flags", [0, 0o2000000, 0o4000, 0o2004000])  # SOCK_CLOEXEC, _NONBLOCK
def test_sockets(machine: str, flags: int) -> None:
    unix, internet, internet6 = 1, 2, 10
    stream, datagram, raw, rdm, sequenced, packet = 1, 2, 3, 4, 5, 10
    for family in (unix, internet, internet6):
        for kind in (stream, datagram, sequenced):
            assert verdict(machine, "socket", family, kind | flags) == ALLOW
        for kind in (raw, rdm, packet):
            assert verdict(machine, "socket", family, kind | flags) == REFUSE
    for family in set(range(46)) - {unix, internet, internet6}:
        assert verdict(machine, "socket", family, stream | flags) == NO_FAMILY


@MACHINES
def test_sockets_of_rare_protocols_are_unknown(machine: str) -> None:
    unix, internet, stream, datagram = 1, 2, 1, 2
    no_protocol = ERROR | errno.EPROTONOSUPPORT
    for protocol in (0, 6):
        assert verdict(machine, "socket", internet, stream, protocol) == ALLOW
    for protocol in (0, 1, 17, 58):
        assert verdict(machine, "socket", internet, datagram, protocol) == ALLOW
    assert verdict(machine, "socket", unix, stream, 0) == ALLOW
    for protocol in (33, 115, 132, 136, 255, 256, 262):  # DCCP, L2TP, SCTP, ..., MPTCP
        assert verdict(machine, "socket", internet, stream, protocol) == no_protocol


@MACHINES
def test_no_program_can_be_attached_to_a_socket(machine: str) -> None:
    for option in (26, 50, 51, 52):  # SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF, _REUSEPORT_EBPF
        assert verdict(machine, "setsockopt", 3, 1, option) == REFUSE
        assert verdict(machine, "setsockopt", 3, 1 << 32 | 1, 1 << 32 | option) == REFUSE
        assert verdict(machine, "setsockopt", 3, 6, option) == ALLOW  # of TCP: another one
    for option in (2, 7, 9, 13, 27):
        assert verdict(machine, "setsockopt", 3, 1, option) == ALLOW


@MACHINES
def test_the_limit_of_core_dumps_stays_whatever_is_asked_for(machine: str) -> None:
    core, files, somewhere, done = 4, 7, 0x7FFF_0000_0000, ERROR
    assert verdict(machine, "prlimit64", 0, core, 0, somewhere) == ALLOW  # to ask
    assert verdict(machine, "prlimit64", 0, core, somewhere, 0) == done
    assert verdict(machine, "prlimit64", 0, core, 8, 0) == done
    assert verdict(machine, "prlimit64", 77, 1 << 32 | core, somewhere, somewhere) == done
    assert verdict(machine, "prlimit64", 0, files, somewhere, 0) == ALLOW
    assert verdict(machine, "setrlimit", core, somewhere) == done
    assert verdict(machine, "setrlimit", files, somewhere) == ALLOW


@MACHINES
def test_high_bits_of_arguments_open_no_way(machine: str) -> None:
    """The kernel takes 32 bits of these; so does the filter."""
    assert verdict(machine, "socket", 1 << 32 | 16, 3) == NO_FAMILY
    assert verdict(machine, "clone", 1 << 32 | NAMESPACES["user"]) == REFUSE


@MACHINES
def test_terminals_take_no_typed_input(machine: str) -> None:
    assert verdict(machine, "ioctl", 0, 0x5401) == ALLOW  # TCGETS
    assert verdict(machine, "ioctl", 0, 0x5412) == REFUSE  # TIOCSTI
    assert verdict(machine, "ioctl", 0, 0x541C) == REFUSE  # TIOCLINUX
    assert verdict(machine, "ioctl", 0, 0x541D) == REFUSE  # TIOCCONS
    assert verdict(machine, "ioctl", 0, 0x5423) == REFUSE  # TIOCSETD
    assert verdict(machine, "ioctl", 0, 1 << 32 | 0x5412) == REFUSE


@MACHINES
def test_the_personality_stays(machine: str) -> None:
    assert verdict(machine, "personality", 0xFFFFFFFF) == ALLOW
    assert verdict(machine, "personality", 0) == ALLOW
    assert verdict(machine, "personality", 0x0040000) == REFUSE  # ADDR_NO_RANDOMIZE


@MACHINES
def test_the_program_is_one_that_the_kernel_accepts(machine: str) -> None:
    instructions = list(struct.iter_unpack("<HBBI", FILTERS[machine]))
    assert len(instructions) <= 4096
    for at, (code, if_true, if_false, _) in enumerate(instructions):
        if code & 7 == 5:  # a jump
            assert at + 1 + max(if_true, if_false) < len(instructions)
    assert instructions[-1][0] == 0x06


def test_a_machine_without_table_is_refused() -> None:
    with pytest.raises(KeyError):
        build_filter("riscv64")
