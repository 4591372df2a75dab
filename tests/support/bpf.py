"""A classic BPF machine, as seccomp runs it: enough of it to interpret our own filters."""

import struct

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}


def run_filter(program: bytes, arch: str, number: int, *arguments: int) -> int:
    """Return the filter's verdict on one system call.

    Args:
        program: struct sock_filter[].
        arch: a key of `ARCHES`.
        number: of the system call.
        arguments: up to six, of 64 bits.
    """
    padded = [argument & (2**64 - 1) for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number, ARCHES[arch], 0, *padded)
    instructions = list(struct.iter_unpack("<HBBI", program))
    accumulator = at = 0
    while True:
        code, if_true, if_false, k = instructions[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif code == 0x54:
            accumulator &= k
        elif code == 0x06:
            return k
        elif code == 0x15:
            at += if_true if accumulator == k else if_false
        elif code == 0x35:
            at += if_true if accumulator >= k else if_false
        elif code == 0x45:
            at += if_true if accumulator & k else if_false
        else:
            raise AssertionError(f"an instruction {code:#x} that no filter of ours has")
