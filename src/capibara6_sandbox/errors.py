"""Every error the sandbox server raises on purpose.

    SandboxServerError
    ├── BadRequestError           a request that is wrong in itself
    │   └── BodyTooLargeError     its body is beyond the server's limit
    ├── UnauthorizedError         no key, or a wrong one
    ├── NotFoundError             no such sandbox, template or context
    ├── ConflictError             the sandbox is not in a state that allows this
    ├── RepeatMismatchError       a key of one request came with another one
    ├── DiskFullError             there is no room on the server's disk
    ├── TooManySandboxesError     the server's limit is reached
    ├── BusyError                 there is no room for more requests just now
    └── StartError                the machine could not start a sandbox, or hold it still
        ├── NoRoomError           there is no room for what a sandbox has here while it runs
        └── LayerError            what a sandbox has written could not be saved, or is gone
            └── UnsavableError    it is such that no disk of this server can keep it

The HTTP status of each stands in one table, gateway/failures.py. What a user's program does wrong
is data, never one of these.
"""


class SandboxServerError(Exception):
    """Base of all errors raised on purpose; the message is for the client."""


class BadRequestError(SandboxServerError):
    """A request that is wrong in itself."""


class BodyTooLargeError(BadRequestError):
    """A body beyond the server's limit; the rest of it is not read."""


class UnauthorizedError(SandboxServerError):
    """No key, or a wrong one."""


class NotFoundError(SandboxServerError):
    """No such sandbox, template or context."""


class ConflictError(SandboxServerError):
    """The sandbox is not in a state that allows this."""


class RepeatMismatchError(SandboxServerError):
    """A key of one request came with another one."""


class DiskFullError(SandboxServerError):
    """There is no room on the server's disk."""


class TooManySandboxesError(SandboxServerError):
    """The server's limit is reached."""


class BusyError(SandboxServerError):
    """There is no room for more requests just now."""


class StartError(SandboxServerError):
    """The machine could not start a sandbox."""


class NoRoomError(StartError):
    """There is no room for what a sandbox has on this machine while it runs."""


class LayerError(StartError):
    """What a sandbox has written could not be saved, or is gone."""


class UnsavableError(LayerError):
    """What a sandbox has written is such that no disk of this server can keep it.

    It is the program's doing, and another try comes to the same.
    """
