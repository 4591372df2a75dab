"""The one shape of every error: {"error": {"code", "message"}}, whoever found it."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from capibara6.api.status import status_of
from capibara6.errors import CapibaraError

_PROBLEMS_MAX: Final = 10
_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Fault(BaseModel):
    """What was wrong: a code for programs, a message for people; some errors tell more beside."""

    code: str
    message: str


class ErrorReply(BaseModel):
    """Every error."""

    error: Fault


# For the description of the API, whatever the status.
REPLIES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": ErrorReply, "description": "What was wrong with the request."},
    "5XX": {"model": ErrorReply, "description": "What the platform could not do."},
}


def error_response(status: int, code: str, message: str, **more: object) -> JSONResponse:
    """An error as the API tells it; `more` adds fields beside code and message."""
    return JSONResponse({"error": {"code": code, "message": message, **more}}, status)


def add_handlers(app: FastAPI) -> None:
    """Make every error of the application take the one shape."""

    @app.exception_handler(CapibaraError)
    async def on_purpose(_request: Request, error: CapibaraError) -> JSONResponse:
        return error_response(status_of(error), error.code, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(422, "invalid_request", _problems(error))

    @app.exception_handler(HTTPException)
    async def by_framework(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        code = _CODES.get(status, HTTPStatus(status).name.lower())
        message = f"{error.detail}: {request.method} {request.url.path}."
        response = error_response(status, code, message)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, error: Exception) -> JSONResponse:
        # The framework raises it again, so that the server logs it.
        message = f"An unexpected fault ({type(error).__name__}). The log holds the details."
        return error_response(500, "internal", message)


def _problems(error: RequestValidationError) -> str:
    """Every wrong field with what is wrong, without the value (it may be a secret, or huge)."""
    found = error.errors()
    told = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in found[:_PROBLEMS_MAX]
    ]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "") + "."
