"""System calls that a model's process never needs, refused by seccomp.

Of those that remain, none reaches another process, changes a file, or takes memory past its limit:
Landlock says nothing of modes, owners, times and attributes of files, and `RLIMIT_DATA` nothing of
shared memory. Standard library only. Source: the kernel's userspace-api/seccomp_filter.
"""

import ctypes
import os
import struct
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # EPERM
_UNKNOWN: Final = 0x00050000 | 38  # ENOSYS
_X32_BIT: Final = 0x40000000
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_NOT_LESS: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_AND: Final = 0x54
_RETURN: Final = 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND, _THIRD, _FOURTH = 0, 4, 16, 24, 32, 40

_MACHINES: Final = {"x86_64": 0, "aarch64": 1}  # places in the tables
_ARCHITECTURES: Final = (0xC000003E, 0xC00000B7)
_SECCOMP: Final = (317, 277)
# On x86-64, and on arm64; None: there is no such call.
_REFUSED: Final[dict[str, tuple[int, int | None]]] = {
    # new connections (asyncio wakes itself by a socketpair)
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    # programs and processes
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "kcmp": (312, 272), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # namespaces and mounts
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "unshare": (272, 97), "setns": (308, 268),
    # the kernel's own, and what does all of this without a call (io_uring)
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
    "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "userfaultfd": (323, 282), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    # changes of files that older Landlocks do not see
    "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None), "fchown": (93, 55),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "removexattrat": (466, 466), "openat2": (437, 437),
    "open_by_handle_at": (304, 265),
    # memory that no limit counts, or that others share
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semctl": (66, 191),
    "semop": (65, 193), "semtimedop": (220, 192), "msgget": (68, 186), "msgctl": (71, 187),
    "msgsnd": (69, 189), "msgrcv": (70, 188), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # watching others
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
}  # fmt: skip
_CLONE3: Final = 435  # its flags lie in memory, where no filter looks; libc then calls clone

_CLONE_THREAD: Final = 0x10000
_OWN_SIGNALS: Final = (8, 10, 15, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_NOTIFY
_OWN_SIGNALS_OF_SOCKETS: Final = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
_TRUNCATE_AND_MODE: Final = os.O_TRUNC | os.O_ACCMODE
_SHARED_ANONYMOUS: Final = 0x21
_GROWS_DOWN: Final = 0x100  # counts as a stack

Line = tuple[int, int, int, int]  # code, lines to skip if true, if false, value (linux/filter.h)
_PERMIT: Final[Line] = (_RETURN, 0, 0, _ALLOW)
_FORBID: Final[Line] = (_RETURN, 0, 0, _REFUSE)


def refuse_calls() -> bool:
    """Refuse them to all threads, privileges dropped before; False on machines without a table."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        return False
    program = _filter(_MACHINES[machine])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if _libc.syscall(_SECCOMP[_MACHINES[machine]], 1, 1, header) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return True


def _filter(place: int) -> bytes:
    lines: list[Line] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        *_none_but(_ARCHITECTURES[place]),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_NOT_LESS, 0, 1, _X32_BIT),
        _FORBID,
    ]
    for numbers in _REFUSED.values():
        lines += _none_of(numbers[place])
    lines += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN)]
    for numbers, checks in _narrowed():
        number = numbers[place]
        if number is not None:
            lines += [(_JUMP_EQUAL, 0, len(checks) + 1, number), *checks, _PERMIT]
    return b"".join(struct.pack("<HBBI", *line) for line in (*lines, _PERMIT))


def _narrowed() -> list[tuple[tuple[int, int | None], list[Line]]]:
    """Calls that are refused with some arguments, and the lines that refuse."""
    opened = [
        (_AND, 0, 0, _TRUNCATE_AND_MODE),
        *_none_of(os.O_TRUNC),  # read-only, and with the mode that only ioctl has: no Landlock
        *_none_of(_TRUNCATE_AND_MODE),  # before Linux 6.2 asks whether a file may be cut so
    ]
    return [
        ((56, 220), [(_LOAD, 0, 0, _FIRST), *_none_without(_CLONE_THREAD)]),  # clone
        ((302, 261), [(_LOAD, 0, 0, _FIRST), *_none_but(0)]),  # prlimit64 of another process
        ((72, 25), [(_LOAD, 0, 0, _SECOND), *_none_of(*_OWN_SIGNALS)]),  # fcntl
        ((16, 29), [(_LOAD, 0, 0, _SECOND), *_none_of(*_OWN_SIGNALS_OF_SOCKETS)]),  # ioctl
        ((2, None), [(_LOAD, 0, 0, _SECOND), *opened]),  # open
        ((257, 56), [(_LOAD, 0, 0, _THIRD), *opened]),  # openat
        (
            (9, 222),  # mmap
            [
                (_LOAD, 0, 0, _FOURTH),
                (_JUMP_ANY_BIT, 0, 1, _GROWS_DOWN),
                _FORBID,
                (_AND, 0, 0, _SHARED_ANONYMOUS),
                *_none_of(_SHARED_ANONYMOUS),
            ],
        ),
    ]


def _none_of(*values: int | None) -> list[Line]:
    return [
        line
        for value in values
        if value is not None
        for line in ((_JUMP_EQUAL, 0, 1, value), _FORBID)
    ]


def _none_but(value: int) -> list[Line]:
    return [(_JUMP_EQUAL, 1, 0, value), _FORBID]


def _none_without(bit: int) -> list[Line]:
    return [(_JUMP_ANY_BIT, 1, 0, bit), _FORBID]
