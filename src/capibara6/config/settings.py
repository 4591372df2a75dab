"""All settings, made of their sections. The values come from `e2b_config.json`; none is here."""

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from capibara6.config.sections import (
    Ace,
    CloudProvider,
    EmbeddedProvider,
    Limits,
    Logging,
    Mail,
    Name,
    Platform,
    Router,
    Template,
    Tier,
    Tuning,
    Validation,
)
from capibara6.errors import ConfigurationError, MissingKeyError, UnknownTierError

ENV_PREFIX = "CAPIBARA6_"


def default_home() -> Path:
    """Where data lies when nothing else is said: the XDG data directory."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "capibara6"


class Settings(BaseSettings):
    """Everything configurable. Build it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        dotenv_filtering="only_existing",
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    provider: Literal["embedded", "e2b"]
    home: Path  # CAPIBARA6_HOME
    embedded: EmbeddedProvider
    e2b: CloudProvider
    platform: Platform
    logging: Logging
    templates: dict[Name, Template]
    tiers: dict[Name, Tier]  # cheapest first
    router: Router
    tuning: Tuning
    ace: Ace
    validation: Validation
    limits: Limits
    mail: Mail | None = None
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()  # who may use the platform
    database_url: SecretStr | None = None  # None: SQLite in the data directory
    e2b_api_key: SecretStr | None = Field(default=None, validation_alias="E2B_API_KEY")
    model_keys: dict[str, SecretStr] = Field(default_factory=dict)  # by variable name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over `.env`, and both over the files."""
        return env_settings, dotenv_settings, init_settings

    @field_validator("home", mode="before")
    @classmethod
    def _home_or_default(cls, value: Any) -> Any:
        return default_home() if value is None else value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < 16 for key in value):
            raise ValueError("each key needs at least 16 characters")
        return value

    @field_validator("templates")
    @classmethod
    def _has_default(cls, value: dict[str, Template]) -> dict[str, Template]:
        if "default" not in value:
            raise ValueError("the template 'default' is missing")
        return value

    @model_validator(mode="after")
    def _not_open_to_all(self) -> "Settings":
        if not self.api_keys and not is_loopback(self.platform.host):
            raise ValueError(f"platform.host {self.platform.host!r} needs CAPIBARA6_API_KEYS")
        return self

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in use. It may hold a password: never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.home / 'capibara6.db'}"

    @property
    def prices(self) -> dict[str, float]:
        """Of the model tiers, cheapest first: dollars for a million tokens in and as many out."""
        return {
            name: tier.usd_per_million_tokens_in + tier.usd_per_million_tokens_out
            for name, tier in self.tiers.items()
        }

    def template(self, name: str) -> Template | None:
        """The preset of that name; None for a template only the provider knows."""
        return self.templates.get(name)

    def tier(self, name: str) -> Tier:
        """The model tier of that name.

        Raises:
            UnknownTierError: it is not configured.
        """
        if name not in self.tiers:
            raise UnknownTierError(name, ["recipe", *self.tiers])
        return self.tiers[name]

    def tier_key(self, name: str) -> SecretStr | None:
        """The key that the tier's endpoint wants; None when it wants none.

        Raises:
            UnknownTierError: the tier is not configured.
            MissingKeyError: the variable that the tier names is not set.
        """
        variable = self.tier(name).api_key_variable
        if variable is None:
            return None
        if variable not in self.model_keys:
            raise MissingKeyError(variable, f"model tier {name!r}")
        return self.model_keys[variable]

    @property
    def openai_api_key(self) -> SecretStr | None:
        """OPENAI_API_KEY, when it is set."""
        return self.model_keys.get("OPENAI_API_KEY")

    def secrets(self) -> frozenset[str]:
        """All secret values in use, for redaction only."""
        found = {value for value in _secret_values(self) if value}
        password = urlsplit(self.database).password
        return frozenset(found | {unquote(password)} if password else found)


def require_keys_off_loopback(host: str, settings: Settings) -> None:
    """Refuse to listen beyond this machine without API keys.

    Raises:
        ConfigurationError: `host` is no loopback address and no key is configured.
    """
    if not settings.api_keys and not is_loopback(host):
        raise ConfigurationError(
            "platform.host",
            host,
            "other machines could run code here, and no API key is configured",
            "Set CAPIBARA6_API_KEYS in the environment or .env, or listen on 127.0.0.1.",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server listening on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret_values(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secret_values(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secret_values(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _secret_values(item)
