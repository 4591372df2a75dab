"""What the process's exit status says; `capibara6 --help` prints it too.

0    the answer is there
1    the program failed, or a check did
2    wrong usage: bad input, unknown name, wrong setting
3    the sandbox provider or a model is not available
4    a fault of the platform itself
130  interrupted
"""

from typing import Final

from capibara6 import errors

OK: Final = 0
PROGRAM_FAILED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
FAULT: Final = 4
INTERRUPTED: Final = 130

# The first class that fits decides, so the base comes last.
_OF_ERRORS: Final[tuple[tuple[type[errors.CapibaraError], int], ...]] = (
    (errors.ConfigurationError, USAGE),
    (errors.RequestError, USAGE),
    (errors.AccessError, USAGE),
    (errors.ProviderError, UNAVAILABLE),
    (errors.ModelError, UNAVAILABLE),
    (errors.CapibaraError, FAULT),
)
_OF_RUNS: Final = {
    "": OK,
    "program_failed": PROGRAM_FAILED,
    "cancelled": INTERRUPTED,
    "internal": FAULT,
}


def of_error(kind: type[errors.CapibaraError]) -> int:
    """The exit status of an error."""
    return next(status for family, status in _OF_ERRORS if issubclass(kind, family))


def of_run(error_code: str) -> int:
    """The exit status of a run that ended with this error code ("" for none)."""
    if error_code in _OF_RUNS:
        return _OF_RUNS[error_code]
    return next((of_error(kind) for kind in _tree() if kind.code == error_code), FAULT)


def _tree(
    root: type[errors.CapibaraError] = errors.CapibaraError,
) -> list[type[errors.CapibaraError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _tree(child))]
