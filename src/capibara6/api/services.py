"""What the HTTP face needs of the platform; main.py puts it together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from capibara6.config import Settings
from capibara6.intake import Profile
from capibara6.pipeline import Pipeline
from capibara6.store import Store
from capibara6.validation.proving import Prover


@dataclass(frozen=True, slots=True)
class Services:
    """The parts behind the routes."""

    settings: Settings
    pipeline: Pipeline
    prover: Prover
    profile: Profile
    store: Store
    metrics: Callable[[], bytes]  # in Prometheus's text format
    degraded: tuple[str, ...] = ()  # what the embedded server's machine does not offer


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(_services)]
