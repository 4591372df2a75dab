"""The bodies of the control plane's calls; what E2B adds later is ignored."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from capibara6_sandbox.gateway.bodies import Variables
from capibara6_sandbox.gateway.volumes import MountBody

FORKS_MAX: Final = 20
_LONGEST_S: Final = 100 * 365 * 24 * 3600  # of any lifetime, so that its end can be told

Timeout = Annotated[int, Field(ge=1, le=_LONGEST_S)]
# E2B takes a time below zero for "now".
NewTimeout = Annotated[int, BeforeValidator(lambda s: max(s, 0) if isinstance(s, int) else s)]


class ProxyTlsBody(BaseModel):
    """How a SOCKS5 proxy is spoken to within TLS."""

    model_config = ConfigDict(extra="ignore")
    enabled: bool
    serverName: str | None = None  # noqa: N815
    caCert: str | None = None  # noqa: N815


class ProxyBody(BaseModel):
    """A SOCKS5 proxy."""

    model_config = ConfigDict(extra="ignore")
    address: str
    username: str | None = None
    password: str | None = None
    tls: ProxyTlsBody | None = None


class TransformBody(BaseModel):
    """What becomes of a request."""

    model_config = ConfigDict(extra="ignore")
    headers: dict[str, str] | None = None


class RuleBody(BaseModel):
    """A rule for the requests to a host."""

    model_config = ConfigDict(extra="ignore")
    transform: TransformBody | None = None


class Egress(BaseModel):
    """The part of a network's configuration that is about what leaves."""

    model_config = ConfigDict(extra="ignore")
    allowOut: list[str] | None = None  # noqa: N815
    denyOut: list[str] | None = None  # noqa: N815
    rules: dict[str, list[RuleBody]] | None = None
    egressProxy: ProxyBody | None = None  # noqa: N815
    dnsServers: list[str] | None = None  # noqa: N815


class NetworkUpdate(Egress):
    """The body of a call that replaces a running sandbox's policy."""

    allow_internet_access: bool | None = None


class Network(Egress):
    """Which traffic a sandbox may have, out and in."""

    allowPublicTraffic: bool | None = None  # noqa: N815 - names of the wire
    maskRequestHost: str | None = None  # noqa: N815
    httpsPorts: list[int] | None = None  # noqa: N815 - whose services speak TLS themselves


class AutoResume(BaseModel):
    """Whether traffic wakes a paused sandbox."""

    model_config = ConfigDict(extra="ignore")
    enabled: bool = False


class NewSandbox(BaseModel):
    """The body of a create call."""

    model_config = ConfigDict(extra="ignore")
    templateID: str  # noqa: N815
    timeout: Timeout = 15
    metadata: dict[str, str] | None = None
    envVars: Variables | None = None  # noqa: N815
    autoPause: bool = False  # noqa: N815
    autoPauseMemory: bool = True  # noqa: N815
    autoResume: AutoResume | None = None  # noqa: N815
    secure: bool | None = None
    allow_internet_access: bool | None = None
    network: Network | None = None
    volumeMounts: list[MountBody] | None = None  # noqa: N815
    # For E2B's own statistics: the client starts the gateway itself, by a command in the sandbox.
    mcp: dict[str, Any] | None = None
    iam: dict[str, Any] | None = None


class TimeoutBody(BaseModel):
    """The body of a call that sets a lifetime."""

    timeout: Annotated[NewTimeout, Field(le=_LONGEST_S)]


class RefreshBody(BaseModel):
    """The body of a call that lengthens a life; E2B's own default is 15 s."""

    duration: Annotated[int, Field(ge=0, le=3600)] = 15


class ConnectBody(BaseModel):
    """The body of a connect or resume call; without a timeout, a life is not lengthened."""

    model_config = ConfigDict(extra="ignore")
    timeout: Annotated[int, Field(ge=0, le=_LONGEST_S)] | None = None
    memory: bool | None = None  # False: start anew from the files


class PauseBody(BaseModel):
    """The body of a pause call."""

    model_config = ConfigDict(extra="ignore")
    memory: bool = True


class SnapshotBody(BaseModel):
    """The body of a call that makes a snapshot."""

    model_config = ConfigDict(extra="ignore")
    name: str | None = None


class ForkBody(BaseModel):
    """The body of a fork call."""

    model_config = ConfigDict(extra="ignore")
    timeout: Timeout = 15
    count: Annotated[int, Field(ge=1, le=FORKS_MAX)] = 1
