"""Errors in the forms that envd's clients expect: Connect's, and a plain one for files."""

import re
from typing import Any

from starlette.responses import JSONResponse

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.guest_client import TooManyCallsError

# https://connectrpc.com/docs/protocol/#error-codes
CONNECT_STATUS = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
_SURROGATES = re.compile("[\ud800-\udfff]")
# For /files, a full disk is what 507 says, and 429 would make clients try again.
_FILES_STATUS = CONNECT_STATUS | {"resource_exhausted": 507, "deadline_exceeded": 500}


def connect_error(failure: CallError) -> dict[str, Any]:
    """Return a failure as Connect's JSON; a code that Connect does not know becomes "unknown"."""
    code = failure.code if failure.code in CONNECT_STATUS else "unknown"
    return {"code": code, "message": readable(failure.message)}


def connect_error_response(failure: CallError) -> JSONResponse:
    """Answer a unary call that failed."""
    error = connect_error(failure)
    return JSONResponse(error, CONNECT_STATUS[error["code"]])


def files_error_response(failure: CallError) -> JSONResponse:
    """Answer a request for a file that failed."""
    status = _FILES_STATUS.get(failure.code, 500)
    if isinstance(failure, TooManyCallsError):
        status = 429
    return plain_error_response(status, readable(failure.message))


def plain_error_response(status: int, message: str) -> JSONResponse:
    """Answer with envd's plain error form."""
    return JSONResponse({"code": status, "message": message}, status)


def sandbox_lost_response(sandbox_id: str) -> JSONResponse:
    """Answer for a sandbox that has gone; clients match on these words."""
    body = {"sandboxId": sandbox_id, "message": "The sandbox was not found", "code": 502}
    return JSONResponse(body, 502)


def readable(text: str) -> str:
    """Replace what UTF-8 cannot carry: file names that are not UTF-8 come as lone surrogates."""
    return _SURROGATES.sub("\ufffd", text)
