"""Who runs the sandboxes: our embedded server or E2B's cloud. One client speaks to both."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capibara6.config import Settings
from capibara6.errors import ConfigurationError, MissingKeyError, ProviderUnreachableError

STATE_FILE_NAME = "sandbox-server.json"  # in the data directory, while an embedded server runs


@dataclass(frozen=True, slots=True)
class Provider:
    """An address that speaks E2B's protocol, with the key it wants.

    Attributes:
        name: "embedded" or "e2b".
        address: for messages.
        options: keyword arguments of the client; they hold the key.
        preset_template: the template behind our presets; None: it knows the presets itself.
    """

    name: str
    address: str
    options: dict[str, Any] = field(repr=False)
    preset_template: str | None = None

    @classmethod
    def embedded(
        cls, api_url: str, api_key: str, *, sandbox_url: str = "", request_timeout_s: float = 30
    ) -> "Provider":
        """Our own server at `api_url`."""
        options = {
            "api_url": api_url,
            "sandbox_url": sandbox_url or api_url,
            "api_key": api_key,
            "request_timeout": request_timeout_s,
            "debug": False,
        }
        return cls("embedded", api_url, options)

    @classmethod
    def cloud(cls, settings: Settings) -> "Provider":
        """E2B's cloud.

        Raises:
            MissingKeyError: E2B_API_KEY is not set.
        """
        if settings.e2b_api_key is None:
            raise MissingKeyError("E2B_API_KEY", "the provider 'e2b'")
        options = {
            "domain": settings.e2b.domain,
            "api_key": settings.e2b_api_key.get_secret_value(),
            "request_timeout": settings.e2b.request_timeout_s,
            "debug": False,
        }
        return cls("e2b", settings.e2b.domain, options, settings.e2b.template)

    def template(self, name: str, presets: set[str]) -> str:
        """Return what the provider calls the template `name`."""
        if self.preset_template is not None and name in presets:
            return self.preset_template
        return name


ProviderSource = Callable[[], Awaitable[Provider]]


def configured_provider(settings: Settings) -> ProviderSource:
    """Return a source of the provider that the configuration names.

    It is asked anew for each execution, because an embedded server that was restarted may have
    another address and key, which its state file in the data directory tells.
    """

    async def find() -> Provider:
        if settings.provider == "e2b":
            return Provider.cloud(settings)
        return running_embedded(settings)

    return find


def running_embedded(settings: Settings) -> Provider:
    """Return the embedded server with its key: configured, or read from its state file.

    Raises:
        ProviderUnreachableError: no key is configured and no server has told one.
    """
    embedded = settings.embedded
    if embedded.api_key is not None:
        url, key = embedded.api_url, embedded.api_key.get_secret_value()
        data_url = embedded.data_url
    else:
        state = _read_state(settings.home / STATE_FILE_NAME)
        if state is None:
            cause = "it was not started here, and CAPIBARA6_EMBEDDED__API_KEY names no other"
            raise ProviderUnreachableError("embedded", embedded.api_url, cause)
        url, key = state
        data_url = url
    return Provider.embedded(
        url, key, sandbox_url=data_url, request_timeout_s=embedded.request_timeout_s
    )


def _read_state(path: Path) -> tuple[str, str] | None:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return str(state["api_url"]), str(state["api_key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise ConfigurationError(
            "embedded server", str(path), f"its state file cannot be read ({cause!r})", "Delete it."
        ) from None
