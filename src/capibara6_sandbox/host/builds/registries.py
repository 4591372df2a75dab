"""Which registries images may come from, and what opens them. Knows nothing of pulling."""

import base64
import ipaddress
import json
import re
import socket
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

DEFAULT_REGISTRY: Final = "docker.io"
IMAGE_BYTES_MAX: Final = 16 << 30  # of all layers together, uncompressed, unless told otherwise
_FORM: Final = re.compile(
    r"(?P<path>(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?/)?[a-z0-9][a-z0-9._/-]{0,254})"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class ImageRefusedError(Exception):
    """An image cannot be had from here; the message is for the client."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What a server is told about registries."""

    named: tuple[str, ...] = ()  # host or host:port that may be asked wherever they are
    insecure: tuple[
        str, ...
    ] = ()  # of these, those that speak plain HTTP or whose name is unproven
    image_bytes_max: int = IMAGE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as its registry knows it."""

    registry: str
    path: str
    version: str  # ":tag" or "@digest"
    asked: str  # as the client wrote it

    @classmethod
    def parse(cls, text: str) -> "ImageName":
        """Read a name as Docker does: without a registry, it is Docker Hub's.

        Raises:
            ImageRefusedError: it has another form.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ImageRefusedError(f"invalid image reference '{text[:200]}'")
        first, slash, rest = found["path"].partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, path = first, rest
        else:
            registry, path = DEFAULT_REGISTRY, found["path"]
            path = path if slash else f"library/{path}"
        version = f"@{found['digest']}" if found["digest"] else f":{found['tag'] or 'latest'}"
        return cls(registry, path, version, text)

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}{self.version}"


class Password(BaseModel):
    """What opens a registry: a user's name and password."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["registry"]
    username: str = Field(max_length=1000)
    password: SecretStr = Field(max_length=20_000)


class GoogleKey(BaseModel):
    """What opens a registry of Google's: a service account."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["gcp"]
    serviceAccountJson: SecretStr = Field(max_length=20_000)  # noqa: N815


class AmazonKey(BaseModel):
    """What `amazon.password` makes a password of."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["aws"]
    awsAccessKeyId: Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]  # noqa: N815
    awsSecretAccessKey: SecretStr = Field(max_length=1000)  # noqa: N815
    awsRegion: str = Field(max_length=100)  # noqa: N815


Credentials = Annotated[Password | GoogleKey | AmazonKey, Field(discriminator="type")]


def login(registry: str, credentials: Password | GoogleKey) -> str:
    """Return the text of a file of logins, as tools for registries read it."""
    if isinstance(credentials, GoogleKey):
        pair = f"_json_key:{credentials.serviceAccountJson.get_secret_value()}"
    else:
        pair = f"{credentials.username}:{credentials.password.get_secret_value()}"
    return json.dumps({"auths": {registry: {"auth": base64.b64encode(pair.encode()).decode()}}})


def secrets_of(credentials: Password | GoogleKey | None) -> list[str]:
    """Return the words that no log may show."""
    if isinstance(credentials, Password):
        return [credentials.password.get_secret_value()]
    if isinstance(credentials, GoogleKey):
        return [credentials.serviceAccountJson.get_secret_value()]
    return []


def check_registry(registry: str, settings: RegistrySettings) -> None:
    """Refuse a registry of this host or of its private networks, unless it was named.

    Raises:
        ImageRefusedError: so it is.
    """
    if registry in (*settings.named, *settings.insecure) or registry == DEFAULT_REGISTRY:
        return
    host, _, port = registry.partition(":")
    try:
        found = socket.getaddrinfo(host, int(port or 443), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return  # whoever pulls says what is wrong with it, or asks a proxy that knows it
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise ImageRefusedError(
                f"the registry '{registry}' has an address that is not public. "
                f"Start the server with --registry {registry} to allow it."
            )
