"""E2B's secrets: stored, listed, replaced and destroyed by name; a value is never sent back."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.bodies import Model, read_body
from capibara6_sandbox.gateway.descriptions import timestamp
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.gateway.life_calls import path_id
from capibara6_sandbox.gateway.queries import number
from capibara6_sandbox.host.records import SecretRecord
from capibara6_sandbox.host.secret_store import SecretStore

VALUE_CHARS_MAX: Final = 65_536
PAGE_MAX: Final = 100

Value = Annotated[str, Field(max_length=VALUE_CHARS_MAX)]


class NewSecret(BaseModel):
    """The body of a create call."""

    model_config = ConfigDict(extra="ignore")
    name: str
    value: Value
    metadata: dict[str, str] = {}


class SecretUpdate(BaseModel):
    """The body of an update call."""

    model_config = ConfigDict(extra="ignore")
    value: Value
    metadata: dict[str, str] | None = None


class SecretCalls:
    """The endpoints."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/secrets", self.create, methods=["POST"]),
            Route("/secrets", self.list, methods=["GET"]),
            Route("/secrets/{id}", self.info, methods=["GET"]),
            Route("/secrets/{id}", self.update, methods=["POST"]),
            Route("/secrets/{id}", self.destroy, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """Store a secret."""
        body = await _read(request, NewSecret)
        return JSONResponse(
            _described(self._store.create(body.name, body.value, body.metadata, team_of(request))),
            201,
        )

    async def list(self, request: Request) -> Response:
        """List secrets, page by page, oldest first."""
        limit, after = _page(request)
        secrets = [_described(secret) for secret in self._store.all(team_of(request))]
        page = secrets[after : after + limit]
        more = after + limit < len(secrets)
        return JSONResponse(page, headers={"x-next-token": str(after + limit)} if more else {})

    async def info(self, request: Request) -> Response:
        """Describe a secret."""
        return JSONResponse(_described(self._store.get(path_id(request), team_of(request))))

    async def update(self, request: Request) -> Response:
        """Give a secret another value."""
        body = await _read(request, SecretUpdate)
        changed = self._store.update(path_id(request), body.value, body.metadata, team_of(request))
        return JSONResponse(_described(changed))

    async def destroy(self, request: Request) -> Response:
        """Forget a secret."""
        self._store.destroy(path_id(request), team_of(request))
        return Response(status_code=204)


async def _read(request: Request, model: type[Model]) -> Model:
    """Read a body; what is wrong with it is told without any of it."""
    body = await read_body(request)
    try:
        return model.model_validate_json(body)
    except ValidationError as failure:
        places = {".".join(str(part) for part in error["loc"]) for error in failure.errors()}
        text = ", ".join(sorted(places & {"name", "value", "metadata"})) or "body"
        raise BadRequestError(f"The request is invalid: {text}.") from None


def _page(request: Request) -> tuple[int, int]:
    limit = number(request.query_params, "limit")
    after = number(request.query_params, "nextToken") or 0
    return max(1, PAGE_MAX if limit is None else min(limit, PAGE_MAX)), after


def _described(secret: SecretRecord) -> dict[str, Any]:
    return {
        "secretID": secret.id,
        "name": secret.name,
        "currentVersion": secret.version,
        "metadata": secret.metadata,
        "createdAt": timestamp(secret.created_at),
        "updatedAt": timestamp(secret.updated_at),
    }
