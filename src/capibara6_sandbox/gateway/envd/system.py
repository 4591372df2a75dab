"""The small routes: is it alive, what are its variables, what does it use."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.errors import files_error_response, sandbox_lost_response
from capibara6_sandbox.gateway.envd.sandbox import sandbox_of
from capibara6_sandbox.host.guest_client import GuestLostError


async def health(request: Request) -> Response:
    """Answer 204: the dispatcher has found the sandbox, so it lives."""
    del request
    return Response(status_code=204)


async def envs(request: Request) -> Response:
    """Return the environment variables of every program in the sandbox."""
    return JSONResponse(sandbox_of(request).variables)


async def metrics(request: Request) -> Response:
    """Return what the agent sees of processor, memory and disk."""
    sandbox = sandbox_of(request)
    try:
        return JSONResponse(await sandbox.guest.request("system.metrics"))
    except CallError as failure:
        return files_error_response(failure)
    except GuestLostError:
        return sandbox_lost_response(sandbox.id)
