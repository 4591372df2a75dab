"""The system calls that a sandbox may make, compiled to a seccomp BPF filter.

An allow-list. What is known to be dangerous answers EPERM; what this kernel or this list does not
know answers ENOSYS, so that libraries fall back (clone3, for one, whose flags BPF cannot read).
Foreign ABIs (i386, x32) answer ENOSYS wholly. Standard library only: zygotes import this.
"""

import errno
import platform
import struct
from typing import Final

from capibara6_sandbox.isolation.linux import NAMESPACES
from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64

# Why each group may be called. Everything else may not.
ALLOWED: Final = {
    "Files by path or descriptor; the mount namespace and file modes decide what they reach.": (
        "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 open "
        "openat openat2 creat close close_range stat fstat lstat newfstatat statx access "
        "faccessat faccessat2 lseek fcntl flock fsync fdatasync sync syncfs "
        "sync_file_range truncate ftruncate fallocate fadvise64 readahead getdents "
        "getdents64 getcwd chdir fchdir mkdir mkdirat rmdir rename renameat renameat2 "
        "link linkat unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod "
        "fchmodat fchmodat2 chown fchown lchown fchownat umask utime utimes utimensat "
        "futimesat statfs fstatfs ustat getxattr lgetxattr fgetxattr listxattr "
        "llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr lremovexattr "
        "fremovexattr copy_file_range sendfile splice tee vmsplice cachestat "
        "name_to_handle_at"
    ),
    "Device nodes: mknod makes only FIFOs, sockets and plain files in a user namespace.": (
        "mknod mknodat"
    ),
    "Descriptors, pipes and waiting for events.": (
        "dup dup2 dup3 pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 "
        "epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 "
        "eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime "
        "timerfd_gettime inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
        "ioctl memfd_create"
    ),
    "Memory of the process itself.": (
        "mmap munmap mremap mprotect madvise brk msync mincore mlock mlock2 munlock "
        "mlockall munlockall membarrier pkey_mprotect pkey_alloc pkey_free mseal "
        "get_mempolicy set_mempolicy mbind"
    ),
    "Processes, threads and their signals; PID and user namespaces decide whom they reach.": (
        "fork vfork clone execve execveat exit exit_group wait4 waitid kill tkill tgkill "
        "pidfd_open pidfd_send_signal getpid getppid gettid getpgid getpgrp setpgid "
        "getsid setsid set_tid_address set_robust_list get_robust_list rseq arch_prctl "
        "prctl futex futex_wait futex_wake futex_requeue futex_waitv restart_syscall "
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait "
        "rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack pause alarm "
        "getitimer setitimer sched_yield sched_getaffinity sched_setaffinity "
        "sched_getparam sched_setparam sched_getscheduler sched_setscheduler "
        "sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set getrlimit "
        "setrlimit prlimit64 getrusage times getcpu process_madvise"
    ),
    "Identities inside the user namespace.": (
        "getuid geteuid getgid getegid getgroups getresuid getresgid setuid setgid "
        "setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capget capset"
    ),
    "Clocks, for reading and sleeping.": (
        "time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep "
        "timer_create timer_settime timer_gettime timer_getoverrun timer_delete"
    ),
    "Facts about the system.": ("uname sysinfo getrandom"),
    "Sockets; `socket` itself is narrowed to Unix and Internet families, without raw ones.": (
        "socketpair bind connect listen accept accept4 getsockname getpeername sendto "
        "recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockopt setsockopt"
    ),
    "System V and POSIX IPC, private to the IPC namespace.": (
        "shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv "
        "msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr"
    ),
    "Landlock only takes rights away.": (
        "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
    ),
}
# Known and refused with EPERM: programs read that as "not permitted here" and say so.
DENIED: Final = (
    "_sysctl acct add_key adjtimex bpf chroot clock_adjtime clock_settime create_module "
    "delete_module fanotify_init fanotify_mark finit_module fsconfig fsmount fsopen fspick "
    "get_kernel_syms init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl "
    "kcmp kexec_file_load kexec_load keyctl lookup_dcookie memfd_secret migrate_pages "
    "modify_ldt mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at "
    "open_tree perf_event_open pidfd_getfd pivot_root process_mrelease process_vm_readv "
    "process_vm_writev ptrace query_module quotactl quotactl_fd reboot request_key seccomp "
    "setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog umount2 "
    "unshare uselib userfaultfd vhangup vserver"
)

_NUMBERS: Final = {"x86_64": X86_64, "aarch64": AARCH64}
_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
_ASK: Final = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
_NO_FAMILY: Final = 0x00050000 | errno.EAFNOSUPPORT

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL: Final = 0x15
_JUMP_NOT_LESS: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_AND: Final = 0x54
_RETURN: Final = 0x06

_NUMBER_OFFSET: Final = 0
_ARCH_OFFSET: Final = 4
_ARGUMENT_OFFSETS: Final = (16, 24)  # low 32 bits of the first two arguments, little-endian

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET = 1, 2, 5
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
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
        program += _when_number(numbers[name], checks)
    program += _decide(_intervals(numbers))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _narrowed() -> dict[str, list[Instruction]]:
    """Return, for each call that is allowed only with some arguments, the code that decides."""
    namespace_flags = sum(NAMESPACES.values())
    first, second = _ARGUMENT_OFFSETS
    families = (_AF_UNIX, _AF_INET, _AF_INET6)
    kinds = (_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET)
    return {
        "clone": [
            (_LOAD, 0, 0, first),
            (_JUMP_ANY_BIT, 0, 1, namespace_flags),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "socket": [
            (_LOAD, 0, 0, first),
            *_one_of(families, _NO_FAMILY),
            (_LOAD, 0, 0, second),
            (_AND, 0, 0, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
            *_one_of(kinds, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "personality": [
            (_LOAD, 0, 0, first),
            *_one_of((0, _PERSONALITY_QUERY), _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "ioctl": [
            (_LOAD, 0, 0, second),
            (_JUMP_EQUAL, 1, 0, _TIOCSTI),
            (_JUMP_EQUAL, 0, 1, _TIOCLINUX),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ],
    }


def _one_of(values: tuple[int, ...], otherwise: int) -> list[Instruction]:
    """Go on if the accumulator is one of `values`, else return `otherwise`."""
    last = len(values)
    tests = [(_JUMP_EQUAL, last - index, 0, value) for index, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, otherwise)]


def _when_number(number: int, checks: list[Instruction]) -> list[Instruction]:
    return [(_JUMP_EQUAL, 0, len(checks), number), *checks]


def _intervals(numbers: dict[str, int]) -> list[tuple[int, int]]:
    """Return (first number, verdict), ascending; each holds until the next."""
    verdicts = {numbers[n]: _REFUSE for n in DENIED.split() if n in numbers}
    allowed = " ".join(ALLOWED.values()).split()
    verdicts |= {numbers[name]: _ALLOW for name in allowed if name in numbers}
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
