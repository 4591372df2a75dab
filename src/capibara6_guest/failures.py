"""What the system refuses, said as a caller may see it."""

import contextlib
import errno
import os
from collections.abc import Iterator

from capibara6_guest.wire import CallError

_CODES = {
    errno.ENOENT: "not_found",
    errno.EEXIST: "already_exists",
    errno.ENOTDIR: "invalid_argument",
    errno.EISDIR: "invalid_argument",
    errno.EINVAL: "invalid_argument",
    errno.ELOOP: "invalid_argument",
    errno.ENAMETOOLONG: "invalid_argument",
    errno.ENXIO: "invalid_argument",
    errno.E2BIG: "invalid_argument",
    errno.ENOEXEC: "invalid_argument",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EROFS: "permission_denied",
    errno.ENOTEMPTY: "failed_precondition",
    errno.EBUSY: "failed_precondition",
    errno.EXDEV: "failed_precondition",
    errno.ETXTBSY: "failed_precondition",
    errno.ENOSPC: "resource_exhausted",
    errno.EDQUOT: "resource_exhausted",
    errno.EFBIG: "resource_exhausted",
    errno.EMFILE: "resource_exhausted",
    errno.EAGAIN: "resource_exhausted",
    errno.ENOMEM: "resource_exhausted",
}


def call_error(failure: OSError, action: str) -> CallError:
    """Turn a system error into the reply's error; `action` says what was tried, on what."""
    number = failure.errno or 0
    return CallError(_CODES.get(number, "internal"), f"{action}: {os.strerror(number).lower()}")


@contextlib.contextmanager
def reported(action: str) -> Iterator[None]:
    """Turn what the system refuses inside the block into a `CallError`."""
    try:
        yield
    except OSError as failure:
        raise call_error(failure, action) from None
    except ValueError as failure:  # a NUL byte or a character that no file name can hold
        raise CallError("invalid_argument", f"{action}: {failure}") from None
