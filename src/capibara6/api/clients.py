"""What one client may take of the HTTP face: connections, and how much and how long each may."""

from http import HTTPStatus
from typing import Final

from capibara6_http.connections import Bounds
from capibara6_http.places import Places, places_for_files

CONNECTIONS_MAX: Final = 1024


def client_bounds() -> Bounds:
    """Return the bounds of a server's clients."""
    return Bounds(Places(min(CONNECTIONS_MAX, places_for_files())), refusal=_refusal)


def _refusal(status: int, message: str) -> object:
    return {"error": {"code": HTTPStatus(status).name.lower(), "message": message}}
