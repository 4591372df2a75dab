"""Joins the server's applications into one."""

from collections.abc import Collection, Iterable

from starlette.types import ASGIApp

from capibara6_http.places import PLACES_MAX
from capibara6_http.room import Room, RoomMiddleware
from capibara6_sandbox.gateway.code_interpreter import create_code_interpreter_app
from capibara6_sandbox.gateway.control import create_control_app
from capibara6_sandbox.gateway.dispatch import Dispatcher
from capibara6_sandbox.gateway.envd import create_envd_app
from capibara6_sandbox.gateway.hosts import Hosts
from capibara6_sandbox.gateway.metering import SHARE, Meters
from capibara6_sandbox.gateway.pages import PageGuard
from capibara6_sandbox.host.keeper import Keeper


def create_app(
    keeper: Keeper,
    key: str,
    domain: str,
    timeout_s_max: int,
    other_names: Iterable[str] = (),
    origins: Collection[str] = (),
    connections: int = PLACES_MAX,
) -> ASGIApp:
    """Build the server's ASGI application.

    Args:
        keeper: all sandboxes.
        key: the server's own API key; others stand in the data folder.
        domain: what sandboxes report as their domain, with port.
        timeout_s_max: the longest lifetime that may be asked for; 0 for no limit.
        other_names: more host names that clients may use.
        origins: of web pages that may use it; "*" for all.
        connections: that the server may have.
    """
    keeper.keys.admit(key)
    meters = Meters(keeper.keys.limits, max(1, int(connections * SHARE)))
    dispatcher = Dispatcher(
        keeper,
        Hosts(domain, other_names),
        meters,
        control=PageGuard(create_control_app(keeper, meters, domain, timeout_s_max), origins),
        envd=PageGuard(create_envd_app(), origins),
        code_interpreter=PageGuard(create_code_interpreter_app(), origins),
    )
    return RoomMiddleware(dispatcher, Room())
