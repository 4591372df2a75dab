"""The types of the parts of the configuration. The values come from `e2b_config.json`."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from capibara6.domain.requests import CANDIDATES_MAX

TIMEOUT_S_MAX = 24 * 60 * 60


def _checked_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address like http://host:port")
    if parts.username or parts.password:
        raise ValueError("a user or password does not belong in an address")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_checked_url)]
Timeout = Annotated[float, Field(gt=0, le=TIMEOUT_S_MAX, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=1, le=16 * 1024**3)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_as_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a boolean where a number or a text is expected")  # noqa: TRY004
        return value


class EmbeddedProvider(Section):
    """Our own E2B server on this machine."""

    api_url: Url
    sandbox_url: Url | None  # None: the same address
    request_timeout_s: Timeout
    api_key: SecretStr | None = None  # None: the key file in the data directory

    @property
    def data_url(self) -> str:
        """Address of the sandboxes' own services."""
        return self.sandbox_url or self.api_url


class CloudProvider(Section):
    """E2B's cloud, or another installation of it under a domain."""

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?$")]
    template: Name  # the cloud's template behind our presets
    request_timeout_s: Timeout


class Platform(Section):
    """Where the platform listens."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Logging(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"]
    format: Literal["console", "json"]


class Template(Section):
    """A preset: limits over a sandbox template, as the platform knows them."""

    timeout_s: Timeout
    memory_mib: Annotated[int, Field(ge=16, le=1024 * 1024)]
    cpu_percent: Annotated[int, Field(ge=1, le=100 * 1024)]  # 100 is one processor

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return self.memory_mib * 1024 * 1024


class Tier(Section):
    """One OpenAI-compatible model with its price and limits."""

    base_url: Url
    model: Annotated[str, Field(min_length=1, max_length=200)]
    usd_per_million_tokens_in: Price
    usd_per_million_tokens_out: Price
    timeout_s: Timeout
    tokens_max: Annotated[int, Field(ge=1)]  # of one answer
    context_tokens: Annotated[int, Field(ge=256)]
    api_key_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    candidates: Annotated[int, Field(ge=1, le=CANDIDATES_MAX)] = 1  # programs to choose among

    def cost_usd(self, tokens_in: int, tokens_out: int) -> float:
        """Price of one answer."""
        dollars = tokens_in * self.usd_per_million_tokens_in
        return (dollars + tokens_out * self.usd_per_million_tokens_out) / 1_000_000


class Router(Section):
    """How models are chosen."""

    learning: Literal["on", "off"]  # off: by rules alone, and nothing new is learnt
    quality: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]  # 1: success alone counts


class Tuning(Section):
    """Limits that follow what a task's runs have used."""

    limits: Literal["on", "off"]  # off: the template's own, but for those that are pinned
    memory_floor_mib: Annotated[int, Field(ge=16, le=1024 * 1024)]
    timeout_floor_s: Timeout


class Ace(Section):
    """What is learnt from runs and given to later prompts."""

    learning: Literal["on", "off"]  # off: no advice, and nothing new is learnt
    tokens_max: Annotated[int, Field(ge=0, le=100_000)]  # of a prompt, for advice
    # Whether proven programs answer later requests of the same form without a model.
    recipes: Literal["on", "off"]
    reflection_tier: Name | None = None  # asked for lessons where rules find none; None: nobody


class Validation(Section):
    """What is refused before it runs. Advice, never the security boundary."""

    forbidden: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")], ...]


class Limits(Section):
    """What a request may bring and what a run may leave."""

    code_bytes_max: Bytes
    upload_bytes_max: Bytes  # all input files of a request together
    output_bytes_max: Bytes  # kept of stdout, and as much of stderr
    output_bytes_stop: Bytes  # a program that printed so much is stopped
    artefact_bytes_max: Bytes
    artefacts_bytes_max: Bytes  # all of a run together
    artefacts_max: Annotated[int, Field(ge=0, le=10_000)]
    repair_attempts_max: Annotated[int, Field(ge=1, le=20)]


class Mail(Section):
    """How notifications leave; all of it comes from the environment or `.env`."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    sender: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    username: str | None = None
    password: SecretStr | None = None
