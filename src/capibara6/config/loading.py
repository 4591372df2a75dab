"""Reading the configuration: packaged values, then the file, then `.env`, then the environment."""

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import SettingsError

from capibara6.config import problems
from capibara6.config.settings import ENV_PREFIX, Settings
from capibara6.errors import ConfigurationError

FILE_NAME = "e2b_config.json"
FILE_VARIABLE = f"{ENV_PREFIX}CONFIG"
_BY_NAME = ("templates", "tiers")  # sections whose entries null removes


def load_settings(path: Path | None = None, *, dotenv: Path = Path(".env")) -> Settings:
    """Read and check the whole configuration.

    The packaged `e2b_config.json` holds every setting. The file read on top of it names only what
    differs, and removes a template or tier with `null`. The environment wins over both:
    CAPIBARA6_HOME, CAPIBARA6_PLATFORM__PORT and so on, E2B_API_KEY, OPENAI_API_KEY.

    Args:
        path: the file; None: $CAPIBARA6_CONFIG, else ./e2b_config.json if it exists.
        dotenv: more variables, in the form NAME=value; it may be absent.

    Raises:
        ConfigurationError: all that is wrong, at once, with what to do.
    """
    variables = _read_dotenv(dotenv)
    path = path or _default_path(variables)
    own = _read_file(path) if path else {}
    sources = problems.Sources(str(path or f"packaged {FILE_NAME}"), own, str(dotenv), variables)
    values = _merged(packaged_values(), own)
    found = problems.unknown_variables(sources, known={FILE_VARIABLE})
    found += problems.misplaced_secrets(sources)
    values["model_keys"] = _model_keys(values, variables)
    values["_env_file"] = dotenv if variables else None
    try:
        settings = Settings(**values)
    except ValidationError as failure:
        found += problems.invalid_values(failure, sources)
    except SettingsError as failure:
        found.append(problems.unreadable_variable(failure))
    if found:
        raise ConfigurationError.joined(found)
    return settings


def packaged_values() -> dict[str, Any]:
    """Return the `e2b_config.json` that an installed capibara6 carries."""
    text = resources.files("capibara6.config").joinpath(FILE_NAME).read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        values = dotenv_values(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigurationError(
            "dotenv", str(path), f"cannot be read ({cause})", "Write NAME=value lines in UTF-8."
        ) from None
    return {name: value for name, value in values.items() if value}


def _default_path(variables: dict[str, str]) -> Path | None:
    named = os.environ.get(FILE_VARIABLE) or variables.get(FILE_VARIABLE)
    if named:
        return Path(named)
    local = Path(FILE_NAME)
    return local if local.is_file() else None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_duplicates)
    except OSError as cause:
        raise _file_error(path, f"cannot be read ({cause.strerror})") from None
    except (ValueError, RecursionError) as cause:
        raise _file_error(path, f"is not JSON in UTF-8 ({cause})") from None
    if not isinstance(values, dict):
        raise _file_error(path, "holds no JSON object")
    for name in values:
        if name.startswith("_"):  # the framework's own arguments begin so
            raise _file_error(path, f"names a setting {name!r} that is none")
    return values


def _file_error(path: Path, problem: str) -> ConfigurationError:
    remedy = f"Correct it, or start from the {FILE_NAME} that ships with capibara6."
    return ConfigurationError("configuration file", str(path), problem, remedy)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return values


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    values = _overlaid(base, own)
    for section in _BY_NAME:
        if isinstance(values.get(section), dict):
            kept = {name: item for name, item in values[section].items() if item is not None}
            values[section] = kept
    return values


def _overlaid(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    values = dict(base)
    for name, item in own.items():
        below = values.get(name)
        if isinstance(item, dict) and isinstance(below, dict):
            item = _overlaid(below, item)
        values[name] = item
    return values


def _model_keys(values: dict[str, Any], variables: dict[str, str]) -> dict[str, str]:
    tiers = values.get("tiers")
    tiers = tiers.values() if isinstance(tiers, dict) else ()
    named = {tier.get("api_key_variable") for tier in tiers if isinstance(tier, dict)}
    available = {**variables, **os.environ}
    wanted = {"OPENAI_API_KEY", *(name for name in named if isinstance(name, str))}
    return {name: available[name] for name in sorted(wanted) if available.get(name)}
