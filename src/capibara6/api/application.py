"""Puts the HTTP face together: routes, error shape, who may call, how much they may send."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from fastapi import FastAPI

from capibara6 import __version__
from capibara6.api import documentation, information, records, runs
from capibara6.api.access import KeyMiddleware, LoopbackMiddleware
from capibara6.api.body_limit import BodyLimitMiddleware
from capibara6.api.faults import REPLIES, add_handlers
from capibara6.config import Settings
from capibara6_http.room import Room, RoomMiddleware

# A JSON body is parsed as a whole, so it stays in memory; base64 makes four bytes of three.
BODY_BYTES_MAX: Final = 48 * 1024 * 1024

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def application(settings: Settings, lifespan: Lifespan) -> FastAPI:
    """The ASGI application; `lifespan` sets `app.state.services`."""
    app = FastAPI(
        title="capibara6",
        version=__version__,
        summary="Questions answered by running code in isolated sandboxes.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=REPLIES,
    )
    for part in (runs, records, information, documentation):
        app.include_router(part.router)
    add_handlers(app)
    app.add_middleware(BodyLimitMiddleware, body_bytes_max=BODY_BYTES_MAX)
    app.add_middleware(RoomMiddleware, room=Room())
    keys = [key.get_secret_value() for key in settings.api_keys]
    if keys:
        app.add_middleware(KeyMiddleware, keys=keys)
    else:
        app.add_middleware(LoopbackMiddleware)
    return app
