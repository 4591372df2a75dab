"""The one table from error to HTTP status; a test walks the error tree and finds every class here.

A run that ends without an answer has only the error's code, so the table is read both ways. A
program that failed is an answer like any other: 200 with `success: false`.
"""

from typing import Final

from capibara6 import errors

STATUS: Final[dict[type[errors.CapibaraError], int]] = {
    errors.CapibaraError: 500,
    errors.ConfigurationError: 500,
    errors.MissingKeyError: 500,
    errors.RequestError: 400,
    errors.UnknownTemplateError: 400,
    errors.UnknownLanguageError: 400,
    errors.UnknownTierError: 400,
    errors.UnknownRecordError: 404,
    errors.DataFileError: 422,
    errors.ModelFileError: 422,
    errors.LocalModelError: 400,
    errors.NoRecipeError: 422,
    errors.TooLargeError: 413,
    # Not 502/503/504 lightly: clients retry those, so only what a retry can mend has them.
    errors.ProviderError: 500,
    errors.ProviderUnreachableError: 503,
    errors.SandboxLostError: 502,
    errors.ModelError: 502,
    errors.ModelUnreachableError: 502,
    errors.ModelBusyError: 503,
    errors.ModelReplyError: 502,
    errors.EngineError: 502,
    errors.AccessError: 401,
}

_BY_CODE: Final = {kind.code: status for kind, status in STATUS.items()}
_OF_RUNS: Final = {
    "": 200,
    "program_failed": 200,
    "cancelled": 499,
    "internal": 500,
    "interrupted": 500,
}


def status_of(error: errors.CapibaraError) -> int:
    """The HTTP status of an error."""
    return STATUS[type(error)]


def status_of_code(code: str) -> int:
    """The HTTP status of a run that ended with this error code ("" for none)."""
    return _OF_RUNS[code] if code in _OF_RUNS else _BY_CODE[code]
