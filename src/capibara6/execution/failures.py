"""The client's exceptions, turned into the platform's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from e2b import (
    AuthenticationException,
    InvalidArgumentException,
    NotEnoughSpaceException,
    NotFoundException,
    RateLimitException,
    SandboxException,
    TimeoutException,
)
from e2b.exceptions import ServiceBusyException

from capibara6.errors import (
    CapibaraError,
    ConfigurationError,
    ProviderError,
    ProviderUnreachableError,
    RequestError,
    SandboxLostError,
    UnknownTemplateError,
)
from capibara6.execution.providers import Provider

# ValueError and KeyError: the provider answered something that is not E2B's protocol.
CLIENT_FAILURES: Final = (
    SandboxException,
    AuthenticationException,
    ServiceBusyException,
    httpx.HTTPError,
    OSError,
    ValueError,
    KeyError,
)


@contextmanager
def creating(provider: Provider, template: str, known: list[str]) -> Iterator[None]:
    """Translate failures of creating a sandbox."""
    try:
        yield
    except SandboxException as cause:
        missing = cause.status_code == 404 or (
            cause.status_code in (400, 403) and "template" in str(cause).lower()
        )
        if missing:
            raise UnknownTemplateError(template, known) from cause
        raise provider_failure(cause, provider) from cause
    except CLIENT_FAILURES as cause:
        raise provider_failure(cause, provider) from cause


@contextmanager
def using(provider: Provider, sandbox_id: str) -> Iterator[None]:
    """Translate failures of a sandbox in use, outside of the program's own run."""
    try:
        yield
    except NotEnoughSpaceException as cause:
        raise RequestError(
            f"The input files do not fit into the sandbox's disk ({cause})."
        ) from cause
    except InvalidArgumentException as cause:
        raise RequestError(f"The sandbox refused an input file ({cause}).") from cause
    except (TimeoutException, NotFoundException) as cause:
        raise SandboxLostError(sandbox_id, _first_line(cause)) from cause
    except CLIENT_FAILURES as cause:
        raise provider_failure(cause, provider) from cause


def provider_failure(cause: Exception, provider: Provider) -> CapibaraError:
    """Return the error for a request that the provider did not serve."""
    said = _first_line(cause)
    if isinstance(cause, AuthenticationException):
        variable = "E2B_API_KEY" if provider.name == "e2b" else "CAPIBARA6_EMBEDDED__API_KEY"
        return ConfigurationError(
            variable, "(hidden)", f"{provider.address} refuses this key", "Set the right one."
        )
    if isinstance(cause, ConnectionError | httpx.ConnectError | httpx.TimeoutException):
        return ProviderUnreachableError(provider.name, provider.address, said)
    if isinstance(cause, TimeoutException | TimeoutError):
        return ProviderUnreachableError(provider.name, provider.address, said)
    if isinstance(cause, RateLimitException | ServiceBusyException):
        return ProviderError(f"The {provider.name} provider is at its limit ({said}). Try later.")
    return ProviderError(f"The {provider.name} provider at {provider.address} failed ({said}).")


def _first_line(cause: BaseException) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0][:300] if lines else type(cause).__name__
