"""The templates and presets that this server offers."""

from dataclasses import dataclass, field
from importlib import resources
from typing import Final

from capibara6_sandbox.isolation.limits import MIB, Limits

# What the zygote imports before the first sandbox is asked for: what programs here mostly use.
_STACK: Final = (
    "numpy", "numpy.random", "pandas", "scipy.stats", "scipy.optimize", "matplotlib.pyplot",
    "seaborn", "sklearn.linear_model", "sklearn.ensemble", "sklearn.cluster",
    "sklearn.model_selection", "sklearn.preprocessing", "sklearn.pipeline", "sklearn.metrics",
    "statsmodels.api", "plotly.express", "openpyxl", "PIL.Image", "bs4", "requests", "e2b_charts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Environment:
    """A root file system with a Python environment; several templates may share one."""

    name: str
    requirements: str  # a hashed lock file beside this module; "" for none
    preload: tuple[str, ...] = ()  # modules that its kernel zygote imports
    has_kernels: bool = False
    own_system: bool = False  # whether all programs are an image's, and none of this host's

    def lock(self) -> str:
        """Return the text of the lock file."""
        if not self.requirements:
            return ""
        return resources.files(__package__).joinpath(self.requirements).read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Startup:
    """What runs in every new sandbox of a template before a client gets it."""

    command: str  # "" for none
    ready: str  # a command that succeeds when the sandbox is ready; "" for none
    user: str
    workdir: str
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """What a client can ask for by name: an environment with limits and a lifetime."""

    name: str
    environment: Environment
    limits: Limits = field(default_factory=Limits)
    timeout_s: int = 300
    layers: tuple[str, ...] = ()  # saved ones above the environment, lowest first
    user: str = "user"  # whose programs and paths are meant when nobody is named
    workdir: str = ""  # where programs start; "" for their user's home
    startup: Startup | None = None
    env: tuple[tuple[str, str], ...] = ()  # variables, below what a client sets
    isolation: str = ""  # name of a container runtime; "": whatever the server is set to
    alias: str = ""  # what clients call it, where its name is an id

    @property
    def called(self) -> str:
        """What clients call it."""
        return self.alias or self.name


BASE: Final = Environment("base", "base.txt")
CODE_INTERPRETER: Final = Environment(
    "code-interpreter-v1", "code-interpreter-v1.txt", preload=_STACK, has_kernels=True
)

# Nothing but mount points: what sandboxes see are the layers of an image.
IMAGE: Final = Environment("image", "", own_system=True)


def _preset(name: str, minutes: int, memory_mib: int, cpus: float) -> Template:
    memory = memory_mib * MIB
    limits = Limits(memory_bytes=memory, cpus=cpus, disk_bytes=memory // 2)
    return Template(name, CODE_INTERPRETER, limits, minutes * 60)


TEMPLATES: Final[dict[str, Template]] = {
    template.name: template
    for template in (
        Template("base", BASE, Limits(memory_bytes=512 * MIB, cpus=1.0)),
        Template(
            "code-interpreter-v1", CODE_INTERPRETER, Limits(1024 * MIB, 1.0, disk_bytes=512 * MIB)
        ),
        _preset("default", 5, 512, 0.5),
        _preset("data_analysis", 10, 1024, 0.75),
        _preset("machine_learning", 30, 2048, 1.0),
        _preset("quick_script", 1, 256, 0.25),
        _preset("visualization", 10, 1024, 0.75),
    )
}


def environments() -> list[Environment]:
    """Return every environment that a template needs, each once."""
    needed = [*(template.environment for template in TEMPLATES.values()), IMAGE]
    return list({environment.name: environment for environment in needed}.values())


# Templates of E2B's cloud that its clients name by themselves, and what one has to bring to do.
_CLOUD_ONLY: Final = {
    "mcp-gateway": "whose program `mcp-gateway` takes --config with the client's JSON, begins to "
    "serve MCP on port 50005 for who sends GATEWAY_ACCESS_TOKEN, and returns",
    "devcontainer": "with the programs `devcontainer` and `/prepare-exec.sh`",
}


def absence(name: str) -> str:
    """Return what to say of a template that is not here; "" where its name tells nothing."""
    if name not in _CLOUD_ONLY:
        return ""
    return (
        f"There is no template '{name}': E2B does not publish its own. "
        f"Build one of that name {_CLOUD_ONLY[name]}."
    )
