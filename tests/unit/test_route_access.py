"""Every route of every application asks for a credential, but for those named with a reason."""

import asyncio
import re
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Router

from capibara6.config import load_settings
from capibara6.main import create_app
from capibara6_sandbox.gateway.code_interpreter import create_code_interpreter_app
from capibara6_sandbox.gateway.control import create_control_app
from capibara6_sandbox.gateway.envd import create_envd_app
from capibara6_sandbox.gateway.metering import Meters
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.keeper_settings import KeeperSettings

REFUSED = {401, 403, 404}
# Routes that answer without a credential, and why they may.
OPEN = {
    ("platform", "/api/health"): "says that it lives; load balancers have no key",
    ("control", "/health"): "says that it lives",
    ("envd", "/health"): "says that the sandbox lives, to who knows its id",
    ("code interpreter", "/health"): "says that the sandbox lives, to who knows its id",
    ("code interpreter", "/contexts"): "published clients send no token; the id is the secret",
    ("code interpreter", "/contexts/{id}"): "published clients send no token",
    ("code interpreter", "/contexts/{id}/restart"): "published clients send no token",
}


@dataclass
class Secured:
    """A sandbox with a token."""

    id: str = "x"
    envd_access_token: str = "token"
    default_user: str = "user"

    def accepts(self, token):
        return token == self.envd_access_token


def data_plane(app):
    async def served(scope, receive, send):
        await app({**scope, "sandbox": Secured()}, receive, send)

    return served


def routes_of(app):
    for route in app.routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if isinstance(inner, Router | Starlette):
            yield from routes_of(inner)
            continue
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, route.path


@pytest.fixture(scope="module")
def applications(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPIBARA6_HOME", str(home))
        patch.setenv("CAPIBARA6_API_KEYS", "k" * 20)
        patch.delenv("CAPIBARA6_CONFIG", raising=False)
        platform = create_app(load_settings(dotenv=home / "no.env"))
    keeper = Keeper(KeeperSettings(home))
    asyncio.run(keeper.workshop.start())
    control = create_control_app(keeper, Meters(keeper.keys.limits, 100), "x", 0)
    envd, interpreter = create_envd_app(), create_code_interpreter_app()
    yield {
        "platform": (platform, platform),
        "control": (control, control),
        "envd": (envd, data_plane(envd)),
        "code interpreter": (interpreter, data_plane(interpreter)),
    }
    asyncio.run(keeper.workshop.stop())


@pytest.mark.parametrize("name", ["platform", "control", "envd", "code interpreter"])
async def test_every_route_asks_for_a_credential(applications, name):
    app, served = applications[name]
    found = list(routes_of(app))
    assert len(found) > 5
    transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    answered = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for method, path in found:
            if (name, path) in OPEN:
                continue
            filled = re.sub(r"{hash}", "0" * 64, path)
            filled = re.sub(r"{[^}]+}", "x", filled)
            for headers in ({}, {"X-API-KEY": "e2b_"}, {"Authorization": "Bearer e2b_1"}):
                reply = await http.request(method, filled, headers=headers)
                if reply.status_code not in REFUSED:
                    answered.add((method, path, reply.status_code))
    assert answered == set()


def test_every_exception_is_a_route_that_there_is(applications):
    there = {(name, path) for name, (app, _) in applications.items() for _, path in routes_of(app)}
    assert set(OPEN) <= there
