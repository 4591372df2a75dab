"""Which system calls a sandbox may make, which not, and why; `seccomp` compiles it.

Names of x86-64 and of arm64; a machine takes those that it has. Shown as docs/SYSTEM_CALLS.md, by
`scripts/system_calls.py`. Standard library only: zygotes import this.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that are allowed or refused for one reason."""

    name: str
    why: str
    calls: str  # names, with spaces between them

    @property
    def names(self) -> list[str]:
        """The names of its calls."""
        return self.calls.split()


# Everything that stands nowhere here is unknown to a sandbox.
ALLOWED: Final = (
    Group(
        "files",
        "The mount namespace, file modes and ids decide what paths and descriptors reach.",
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
        "name_to_handle_at",
    ),
    Group(
        "nodes",
        "In a user namespace they make FIFOs, sockets and plain files, and no device.",
        "mknod mknodat",
    ),
    Group(
        "descriptors and events",
        "Pipes, timers and waiting; of the process alone.",
        "dup dup2 dup3 pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 "
        "epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 "
        "eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime "
        "timerfd_gettime inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
        "memfd_create",
    ),
    Group(
        "memory",
        "Of the process itself; its cgroup counts it, and executable pages are what compilers "
        "at run time need.",
        "mmap munmap mremap mprotect madvise brk msync mincore mlock mlock2 munlock "
        "mlockall munlockall membarrier pkey_mprotect pkey_alloc pkey_free mseal "
        "get_mempolicy set_mempolicy mbind",
    ),
    Group(
        "processes, threads and signals",
        "PID and user namespaces decide whom they reach; priorities can only be lowered.",
        "fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill "
        "pidfd_open pidfd_send_signal getpid getppid gettid getpgid getpgrp setpgid "
        "getsid setsid set_tid_address set_robust_list get_robust_list rseq arch_prctl "
        "prctl futex futex_wait futex_wake futex_requeue futex_waitv restart_syscall "
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait "
        "rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack pause alarm "
        "getitimer setitimer sched_yield sched_getaffinity sched_setaffinity "
        "sched_getparam sched_setparam sched_getscheduler sched_setscheduler "
        "sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set getrlimit "
        "getrusage times getcpu process_madvise",
    ),
    Group(
        "identities",
        "The user namespace maps them to ids that own nothing outside.",
        "getuid geteuid getgid getegid getgroups getresuid getresgid setuid setgid "
        "setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capget capset",
    ),
    Group(
        "clocks",
        "For reading and sleeping; none can be set.",
        "time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep "
        "timer_create timer_settime timer_gettime timer_getoverrun timer_delete",
    ),
    Group(
        "facts",
        "Of the machine, which programs count with; the host's name is the sandbox's own.",
        "uname sysinfo getrandom",
    ),
    Group(
        "sockets",
        "The network namespace decides where they lead; `socket` itself is narrowed.",
        "socketpair bind connect listen accept accept4 getsockname getpeername sendto "
        "recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockopt",
    ),
    Group(
        "shared memory, semaphores and queues",
        "Private to the IPC namespace.",
        "shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv "
        "msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
    ),
    Group(
        "Landlock",
        "It only takes rights away from who asks for it.",
        "landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    ),
)

# Allowed with some arguments alone; `seccomp` has the code for each.
NARROWED: Final = (
    Group(
        "new processes and threads",
        "Without any flag that makes a namespace (else EPERM). `clone3` keeps its flags where a "
        "filter cannot read them: it is unknown, and C libraries use `clone` then.",
        "clone",
    ),
    Group(
        "new sockets",
        "Unix and Internet (else EAFNOSUPPORT), without raw and packet ones (else EPERM), of "
        "TCP, UDP and ICMP echo (else EPROTONOSUPPORT): every protocol more is a part of the "
        "kernel more, which may even be loaded for the asking.",
        "socket",
    ),
    Group(
        "options of sockets",
        "But for attaching BPF programs (EPERM).",
        "setsockopt",
    ),
    Group(
        "control of devices and terminals",
        "But for typing into a terminal for others (TIOCSTI, TIOCLINUX), taking over the "
        "console's output (TIOCCONS) and loading line disciplines (TIOCSETD): EPERM.",
        "ioctl",
    ),
    Group(
        "execution domain",
        "Asked for, or set to what it is: others turn off the randomness of addresses (EPERM).",
        "personality",
    ),
    Group(
        "limits",
        "They can be lowered by anybody, and raised by nobody. That of core dumps stays as it is, "
        "though a program that sets it is told that it did: 1 byte, with which the kernel neither "
        "writes a dump nor hands one to a program of the host; with 0 it would do the latter.",
        "setrlimit prlimit64",
    ),
)

# Known and refused with EPERM: programs read that as "not permitted here" and say so.
DENIED: Final = (
    Group(
        "mounts and roots",
        "What a sandbox sees as its files was put together before it began.",
        "mount umount2 pivot_root chroot mount_setattr move_mount open_tree fsopen fsconfig "
        "fsmount fspick quotactl quotactl_fd swapon swapoff nfsservctl sysfs",
    ),
    Group(
        "namespaces",
        "A new user namespace gives all capabilities in it, and with them the parts of the kernel "
        "in which most ways out were found.",
        "unshare setns",
    ),
    Group(
        "other processes",
        "Reading, writing and tracing them, and taking their descriptors.",
        "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_mrelease "
        "migrate_pages move_pages",
    ),
    Group(
        "the kernel's own code and state",
        "Loading, replacing, configuring and ending it.",
        "init_module finit_module delete_module create_module query_module get_kernel_syms "
        "kexec_load kexec_file_load reboot syslog acct _sysctl ioperm iopl modify_ldt uselib "
        "vserver vhangup lookup_dcookie",
    ),
    Group(
        "programs in the kernel",
        "BPF, events of performance counters, and work that io_uring does past this filter.",
        "bpf perf_event_open io_uring_setup io_uring_enter io_uring_register",
    ),
    Group(
        "halting the kernel halfway",
        "A page fault that a program answers gives it all the time that a race needs.",
        "userfaultfd",
    ),
    Group(
        "keys",
        "Keyrings are no part of any namespace.",
        "add_key request_key keyctl",
    ),
    Group(
        "clocks and names",
        "They are the machine's.",
        "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname",
    ),
    Group(
        "ways around paths",
        "File handles, watching whole file systems, and memory that the kernel cannot see.",
        "open_by_handle_at fanotify_init fanotify_mark memfd_secret",
    ),
    Group(
        "filters of one's own",
        "A younger filter with a listener would decide over the calls that ours leaves to the "
        "server. (`prctl` installs filters without listeners, which only take away.)",
        "seccomp",
    ),
)
