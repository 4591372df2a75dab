"""What a request may ask for, checked before anything is started."""

import math
import posixpath
import re

from capibara6.config import Settings
from capibara6.config.sections import TIMEOUT_S_MAX
from capibara6.domain.executions import ExecutionRequest
from capibara6.errors import RequestError, TooLargeError, UnknownLanguageError

LANGUAGES = ("python", "javascript", "bash")
HOME = "/home/user"
ENV_BYTES_MAX = 64 * 1024
FILES_MAX = 200

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_TEMPLATE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,254}")


def check_request(request: ExecutionRequest, settings: Settings) -> float:
    """Refuse what cannot be run, and return the timeout in seconds.

    Raises:
        RequestError: it says what is wrong and what would be right.
    """
    limits = settings.limits
    if request.language not in LANGUAGES:
        raise UnknownLanguageError(request.language, list(LANGUAGES))
    if not request.code.strip():
        raise RequestError("There is no code to run.")
    _check_size("The code", len(request.code.encode("utf-8", "replace")), limits.code_bytes_max)
    if not _TEMPLATE_NAME.fullmatch(request.template):
        raise RequestError(f"{request.template!r} cannot be the name of a template.")
    _check_env(request.env)
    _check_files(request.files, limits.upload_bytes_max)
    return _timeout_s(request, settings)


def sandbox_path(name: str) -> str:
    """Return where an input file named `name` lies in the sandbox.

    Raises:
        RequestError: the name leads out of the home directory or is no file name.
    """
    path = posixpath.join(HOME, name)
    parts = path.removeprefix(f"{HOME}/").split("/")
    inside = path.startswith(f"{HOME}/") and posixpath.normpath(path) == path
    too_long = any(len(part.encode("utf-8", "replace")) > 255 for part in parts)
    if not inside or too_long or not path.isprintable() or len(path) > 4096:
        raise RequestError(
            f"{name!r} cannot be the name of an input file. Use a relative name like "
            f"'data.csv' or 'input/data.csv'; it will lie in {HOME}."
        )
    return path


def _timeout_s(request: ExecutionRequest, settings: Settings) -> float:
    timeout_s = request.timeout_s
    if timeout_s is None:
        preset = settings.template(request.template) or settings.templates["default"]
        return preset.timeout_s
    if not math.isfinite(timeout_s) or not 0 < timeout_s <= TIMEOUT_S_MAX:
        raise RequestError(
            f"A timeout of {timeout_s:g} s is out of range: more than 0 and at most "
            f"{TIMEOUT_S_MAX} s (24 hours)."
        )
    return timeout_s


def _check_env(env: dict[str, str]) -> None:
    for name, value in env.items():
        if not _ENV_NAME.fullmatch(name):
            raise RequestError(
                f"{name!r} cannot be the name of an environment variable. Use letters, digits "
                "and _, and no digit first."
            )
        if "\0" in value:
            raise RequestError(f"The environment variable {name} contains a NUL character.")
    size = sum(len(f"{name}={value}".encode("utf-8", "replace")) for name, value in env.items())
    _check_size("The environment", size, ENV_BYTES_MAX)


def _check_files(files: dict[str, bytes], bytes_max: int) -> None:
    if len(files) > FILES_MAX:
        raise RequestError(f"{len(files)} input files; at most {FILES_MAX} can be given.")
    paths = {sandbox_path(name): name for name in files}
    if len(paths) < len(files):
        raise RequestError("Two input files have the same path in the sandbox.")
    _check_size("The input", sum(len(content) for content in files.values()), bytes_max)


def _check_size(what: str, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise TooLargeError(what, size_bytes, limit_bytes)
