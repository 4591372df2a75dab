"""Reading JSON bodies of bounded size into checked models."""

from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError
from starlette.requests import Request

from capibara6_http.room import NoRoomError, hold
from capibara6_sandbox.errors import BadRequestError, BodyTooLargeError, BusyError

BODY_BYTES_MAX: Final = 16 * 1024 * 1024
# Where a value may be a credential, which no message repeats.
_PRIVATE: Final = frozenset({"headers", "egressProxy", "value", "envVars", "env_vars"})

Model = TypeVar("Model", bound=BaseModel)


def _checked_variables(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"no program can have a variable of this name and value: {name!r}")
    return variables


Variables = Annotated[dict[str, str], AfterValidator(_checked_variables)]


async def read_model(request: Request, model: type[Model]) -> Model:
    """Read a request's JSON body as `model`; an empty body counts as {}.

    Raises:
        BadRequestError: no JSON, or a field with a wrong value; the message names it.
        BodyTooLargeError: it is larger than `BODY_BYTES_MAX`.
    """
    body = await read_body(request)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as failure:
        raise BadRequestError(_describe(failure)) from None


async def read_body(request: Request) -> bytes:
    """Read a body, chunked or not.

    Raises:
        BodyTooLargeError: it is larger than `BODY_BYTES_MAX`; the rest is not read.
        BusyError: there is no room for it.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        _hold(request, len(piece))
        if size > BODY_BYTES_MAX:
            raise BodyTooLargeError(f"The body is larger than {BODY_BYTES_MAX:,} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _hold(request: Request, size: int) -> None:
    try:
        hold(request.scope, size)
    except NoRoomError as cause:
        raise BusyError(str(cause)) from None


def _describe(failure: ValidationError) -> str:
    problems = []
    for error in failure.errors(include_url=False):
        place = ".".join(str(part) for part in error["loc"]) or "body"
        # Of what is no JSON at all, all would be repeated.
        shown = error["loc"] and _PRIVATE.isdisjoint(error["loc"])
        got = f" (got {str(error['input'])[:80]!r})" if shown else ""
        problems.append(f"{place}: {error['msg']}{got}")
    return "Invalid request: " + "; ".join(problems[:5])
