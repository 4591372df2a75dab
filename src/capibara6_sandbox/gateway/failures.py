"""HTTP statuses of the server's errors, in one table, and E2B's error shape."""

from collections.abc import Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse

from capibara6_guest.wire import CallError
from capibara6_sandbox import errors
from capibara6_sandbox.host.shortages import DISK, shortage

_log = structlog.get_logger()

STATUSES: Final[Mapping[type[errors.SandboxServerError], int]] = {
    errors.BadRequestError: 400,
    errors.BodyTooLargeError: 413,
    errors.UnauthorizedError: 401,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.RepeatMismatchError: 422,
    errors.DiskFullError: 507,
    errors.TooManySandboxesError: 429,
    errors.BusyError: 503,
    errors.StartError: 500,
    errors.NoRoomError: 507,
    errors.LayerError: 500,
    errors.UnsavableError: 422,
}

# E2B's names of errors that clients tell apart by more than their status.
CODES: Final[Mapping[type[errors.SandboxServerError], str]] = {
    errors.RepeatMismatchError: "idempotency_request_mismatch",
}

CALL_STATUSES: Final[Mapping[str, int]] = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "not_found": 404,
    "already_exists": 409,
    "failed_precondition": 409,
    "resource_exhausted": 507,
}


def error_response(status: int, message: str) -> JSONResponse:
    """Build E2B's error: {"code": int, "message": str}."""
    return JSONResponse({"code": status, "message": message}, status)


async def on_server_error(request: Request, failure: Exception) -> JSONResponse:
    """Answer one of the server's own errors."""
    assert isinstance(failure, errors.SandboxServerError)
    kind = type(failure)
    told = {"code": STATUSES[kind], "message": str(failure)}
    if kind in CODES:
        told["error_code"] = CODES[kind]
    return JSONResponse(told, STATUSES[kind])


async def on_os_error(request: Request, failure: Exception) -> JSONResponse:
    """Answer what the server's machine refused, where it has run out of something.

    Raises:
        Exception: any other failure, as it is: a fault of ours.
    """
    text = shortage(failure)
    if not text:
        raise failure
    assert isinstance(failure, OSError)
    _log.error("shortage", path=request.url.path, cause=str(failure))
    return error_response(507 if failure.errno in DISK else 503, text)


async def on_call_error(request: Request, failure: Exception) -> JSONResponse:
    """Answer an operation that the guest's agent refused."""
    assert isinstance(failure, CallError)
    return error_response(CALL_STATUSES.get(failure.code, 500), failure.message)


def sandbox_gone(sandbox_id: str) -> JSONResponse:
    """Build the data plane's answer for a sandbox that does not run; clients match its text."""
    return JSONResponse(
        {"sandboxId": sandbox_id, "message": "The sandbox was not found", "code": 502}, 502
    )
