"""Joins the routes of envd into one application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd import (
    files_http,
    filesystem_service,
    process_service,
    system,
    watch_methods,
)
from capibara6_sandbox.gateway.envd.access import AccessMiddleware
from capibara6_sandbox.gateway.envd.errors import connect_error_response
from capibara6_sandbox.gateway.failures import on_os_error


def create_envd_app() -> Starlette:
    """Build the application; it serves the sandbox that it finds in `scope["sandbox"]`."""
    calls = filesystem_service.routes() | watch_methods.routes() | process_service.routes()
    return Starlette(
        routes=[
            Route("/health", system.health),
            Route("/metrics", system.metrics),
            Route("/envs", system.envs),
            Route("/files", files_http.download, methods=["GET"]),
            Route("/files", files_http.upload, methods=["POST"]),
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in calls.items()),
            Route("/{service}/{method}", _unknown_call, methods=["POST"]),
        ],
        middleware=[Middleware(AccessMiddleware)],
        exception_handlers={OSError: on_os_error},
    )


async def _unknown_call(request: Request) -> Response:
    return connect_error_response(CallError("unimplemented", f"no call {request.url.path}"))
