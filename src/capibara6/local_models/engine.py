"""llama.cpp's place: which Python has it, how it gets there, and packages that carry models.

It lies in an environment of its own below the data folder, so that the platform stays light and
its packages cannot clash (ADR 49); an installation with the extra `local-models` works as well.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from capibara6.errors import EngineError

INSTALL_COMMAND: Final = "capibara6 models install"
_PACKAGE: Final = "llama_cpp"
_INSTALL_S_MAX: Final = 3600.0  # compiling llama.cpp takes minutes on a small machine
_TAIL_CHARACTERS: Final = 600


def python_of_engine(folder: Path) -> str | None:
    """The Python that has llama.cpp: that of its own environment, else ours; None if neither."""
    own = folder / "bin" / "python"
    if own.exists() and any(folder.glob(f"lib/python3*/site-packages/{_PACKAGE}/server")):
        return str(own)
    return sys.executable if importlib.util.find_spec(_PACKAGE) else None


def required_python(folder: Path) -> str:
    """As `python_of_engine`.

    Raises:
        EngineError: llama.cpp is missing.
    """
    found = python_of_engine(folder)
    if found is None:
        raise EngineError(
            "llama.cpp is not installed",
            f"Install it with `{INSTALL_COMMAND}` (it compiles for some minutes and needs a C++ "
            "compiler), or install capibara6[local-models].",
        )
    return found


async def install_engine(folder: Path) -> None:
    """Install llama.cpp, hashes checked, into `folder`; what is there already stays.

    Raises:
        EngineError: there is no compiler, or the installation failed; the message says how.
    """
    compiler = os.environ.get("CXX") or "c++"
    if not (shutil.which(compiler) or shutil.which("g++") or shutil.which("clang++")):
        raise EngineError(
            "llama.cpp is compiled here, and there is no C++ compiler",
            "On Debian and Ubuntu: apt-get install build-essential.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    python = folder / "bin" / "python"
    if not python.exists():
        await _uv("venv", "--quiet", "--python", sys.executable, str(folder))
    await _install("engine.txt", "--compile-bytecode", "--python", str(python))


async def install_package(lock: str, folder: Path) -> None:
    """Unpack the package that a lock file names, and nothing it asks for, into `folder`."""
    await _install(lock, "--no-deps", "--target", str(folder))


async def _install(lock: str, *options: str) -> None:
    with resources.as_file(resources.files("capibara6.local_models") / lock) as file:
        await _uv("pip", "install", "--quiet", "--require-hashes", "-r", str(file), *options)


async def _uv(*arguments: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "uv", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_INSTALL_S_MAX):
            _, said = await process.communicate()
    except TimeoutError:
        raise EngineError(
            f"the installation did not end within {_INSTALL_S_MAX:.0f} s", "Try again."
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        tail = " ".join(said.decode(errors="replace").split())[-_TAIL_CHARACTERS:]
        raise EngineError(
            f"the installation failed ({tail})", "See to the network and the compiler; try again."
        )
