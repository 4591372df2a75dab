"""The hostile programs: what each tries, and what judges it. They are data, one file a topic."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64

LANGUAGES: Final = ("python", "bash", "c", "javascript")
FOLDER: Final = "/home/user/attack"  # inside the sandbox
_ENDINGS: Final = {"python": "py", "bash": "sh", "c": "h", "javascript": "js"}
_CALLED: Final = re.compile(r"""call,?\(?\s*['"](\w+)['"]""")


@dataclass(frozen=True, slots=True)
class Program:
    """One program.

    `rows` are those of the list of hostile programs that the set was made from: 1 to 69.
    """

    id: str
    topic: str
    language: str
    tries: str
    rows: tuple[int, ...]
    promise: str  # its id in the threat model
    code: str
    oracles: tuple[str, ...] = ()  # beside those that judge every program
    user: str = "user"  # of the sandbox, or "root"
    via: str = "command"  # or "cell": run by the warm Python kernel
    env: tuple[tuple[str, str], ...] = ()  # that the client is made to set
    reads: tuple[str, ...] = ()  # paths that the client reads afterwards by the file API
    seconds: float = 10.0  # after which it is observed, done or not
    needs: tuple[str, ...] = ()  # programs inside the sandbox, beside its language's own

    @property
    def file(self) -> str:
        """Its name inside the sandbox."""
        return f"{FOLDER}/program.{'c' if self.language == 'c' else _ENDINGS[self.language]}"

    @property
    def files(self) -> dict[str, str]:
        """What must lie in the sandbox before it can run."""
        prelude = f"{FOLDER}/prelude.{_ENDINGS[self.language]}"
        return {prelude: _prelude(self), self.file: self.code}

    @property
    def command(self) -> str:
        """What runs it."""
        if self.language == "python":
            return f"exec python3 {FOLDER}/prelude.py {self.file}"
        if self.language == "bash":
            return f"exec bash {FOLDER}/prelude.sh {self.file}"
        if self.language == "javascript":
            return f"exec node {FOLDER}/prelude.js {self.file}"
        built = f"{FOLDER}/program"
        return f"cc -w -pthread -include {FOLDER}/prelude.h -o {built} {self.file} && exec {built}"

    @property
    def tools(self) -> tuple[str, ...]:
        """Programs that it cannot run without."""
        own = {"python": "python3", "bash": "bash", "c": "cc", "javascript": "node"}
        return (own[self.language], *self.needs) if self.via == "command" else ()


def _prelude(program: Program) -> str:
    name = f"prelude.{_ENDINGS[program.language]}"
    text = resources.files(__package__).joinpath("preludes", name).read_text("utf-8")
    if program.language != "python":
        return text
    numbers = {
        name: {"x86_64": X86_64.get(name), "aarch64": AARCH64.get(name)}
        for name in sorted(set(_CALLED.findall(program.code)))
    }
    return text.replace("CALLS = {}", f"CALLS = {numbers!r}", 1)


@cache
def programs() -> tuple[Program, ...]:
    """Return all programs, by topic.

    Raises:
        ValueError: two bear the same id, or one is not whole.
    """
    found: dict[str, Program] = {}
    folder = resources.files(__package__).joinpath("programs")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        for entry in tomllib.loads(file.read_text("utf-8"))["program"]:
            program = _program(file.name.removesuffix(".toml"), entry)
            if program.id in found:
                raise ValueError(f"two hostile programs are called {program.id!r}")
            found[program.id] = program
    return tuple(found.values())


def _program(topic: str, entry: dict[str, Any]) -> Program:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    values["env"] = tuple(entry.get("env", {}).items())
    program = Program(topic=topic, **values)
    if program.language not in LANGUAGES or program.user not in ("user", "root"):
        raise ValueError(f"hostile program {program.id!r}: no such language or user")
    return program
