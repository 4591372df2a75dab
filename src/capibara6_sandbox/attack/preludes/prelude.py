"""Runs one hostile program (sys.argv[1]) and holds still afterwards, so that it can be observed."""

import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
CALLS = {}  # numbers of system calls, which the runner fills in
MACHINE = os.uname().machine


def say(met, what=""):
    """Tell what the program met; it explains, and proves nothing."""
    print(f"@{met} {what}", flush=True)


def call(name, *arguments):
    """Make a system call by its name; raise OSError if it is refused."""
    number = CALLS[name].get(MACHINE)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name} has no number on {MACHINE}")
    arguments = [ctypes.c_ulong(a & (2**64 - 1)) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def attempt(what, action, *arguments):
    """Do something that ought to fail; say what came of it, and return it (None: refused)."""
    try:
        result = action(*arguments)
    except OSError as failure:
        say(errno.errorcode.get(failure.errno, type(failure).__name__), what)
        return None
    except (MemoryError, RuntimeError, ValueError) as failure:
        say(type(failure).__name__, f"{what}: {failure}")
        return None
    say("OK", what)
    return True if result is None else result


def read(path, size=65536):
    """Print the beginning of a file, whatever it is."""
    with open(path, "rb", buffering=0) as file:
        sys.stdout.write((file.read(size) or b"").decode("latin-1") + "\n")


def write(path, text):
    """Overwrite a file in place."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def others():
    """Return the ids of all processes in sight but this one."""
    return [
        int(name) for name in os.listdir("/proc") if name.isdecimal() and name != str(os.getpid())
    ]


def hold():
    """Stay as it is, to be looked at."""
    print("\n@held", flush=True)
    time.sleep(120)


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        code = compile(source.read(), sys.argv[1], "exec")
    try:
        exec(code, globals())
    except OSError as failure:
        say(errno.errorcode.get(failure.errno, "OSError"), str(failure))
    except (MemoryError, RuntimeError, ValueError, KeyError) as failure:
        say(type(failure).__name__, str(failure))
    hold()
