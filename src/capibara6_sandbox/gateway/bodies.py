"""Reading JSON bodies of bounded size into checked models."""

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from capibara6_sandbox.errors import BadRequestError

BODY_BYTES_MAX: Final = 16 * 1024 * 1024

Model = TypeVar("Model", bound=BaseModel)


class BodyTooLargeError(BadRequestError):
    """A body beyond `BODY_BYTES_MAX`."""


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
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise BodyTooLargeError(f"The body is larger than {BODY_BYTES_MAX:,} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _describe(failure: ValidationError) -> str:
    problems = []
    for error in failure.errors(include_url=False):
        place = ".".join(str(part) for part in error["loc"]) or "body"
        problems.append(f"{place}: {error['msg']} (got {str(error['input'])[:80]!r})")
    return "Invalid request: " + "; ".join(problems[:5])
