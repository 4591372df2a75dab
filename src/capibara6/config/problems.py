"""What is wrong with a configuration, told with file, key, value and remedy."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from capibara6.config.settings import ENV_PREFIX, Settings
from capibara6.errors import ConfigurationError

_HIDDEN = "(hidden)"
_ALIASES = {"e2b_api_key": "E2B_API_KEY"}
_NOT_FOR_FILES = ("mail", "api_keys", "database_url", "e2b_api_key", "model_keys", "E2B_API_KEY")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values came from, for naming the place to correct."""

    file: str
    file_values: Mapping[str, Any]
    dotenv: str
    dotenv_variables: Mapping[str, str]

    def origin(self, location: tuple[str | int, ...]) -> str:
        """Name the place that set the value at `location`, and the key there."""
        keys = [part for part in location if isinstance(part, str) and part != "[key]"]
        for count in range(len(keys), 0, -1):
            variable = variable_name(keys[:count])
            if _named(variable, os.environ):
                return f"environment: {variable}"
            if _named(variable, self.dotenv_variables):
                return f"{self.dotenv}: {variable}"
        return f"{self.file}: {'.'.join(str(part) for part in location if part != '[key]')}"


def variable_name(keys: list[str]) -> str:
    """Return the environment variable of a setting."""
    alias = _ALIASES.get(keys[0], keys[0])
    return alias if alias.isupper() else ENV_PREFIX + "__".join(keys).upper()


def unknown_variables(sources: Sources, known: set[str]) -> list[ConfigurationError]:
    """Find variables with our prefix that set nothing, most often misspelt."""
    ours = sorted(f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields)
    places = [("environment", os.environ), (sources.dotenv, sources.dotenv_variables)]
    return [
        ConfigurationError(f"{place}: {name}", _HIDDEN, "no such setting", _suggestion(name, ours))
        for place, variables in places
        for name in sorted(variables)
        if name.upper().startswith(ENV_PREFIX)
        and name not in known
        and name.upper().split("__", 1)[0] not in ours
    ]


def misplaced_secrets(sources: Sources) -> list[ConfigurationError]:
    """Find secrets in the file, where they would be shared with whoever gets the file."""
    found = [(name,) for name in _NOT_FOR_FILES if name in sources.file_values]
    embedded = sources.file_values.get("embedded")
    if isinstance(embedded, dict) and embedded.get("api_key") is not None:
        found.append(("embedded", "api_key"))  # type: ignore[arg-type]
    return [
        ConfigurationError(
            f"{sources.file}: {'.'.join(keys)}",
            _HIDDEN,
            "secrets do not belong in this file",
            f"Remove it and set {variable_name(list(keys))} in the environment or .env.",
        )
        for keys in found
    ]


def invalid_values(failure: ValidationError, sources: Sources) -> list[ConfigurationError]:
    """Translate the validator's findings."""
    return [_invalid_value(error, sources) for error in failure.errors(include_url=False)]


def unreadable_variable(failure: SettingsError) -> ConfigurationError:
    """Tell of a variable that should hold JSON and does not."""
    remedy = f"Set single values instead, such as {ENV_PREFIX}PLATFORM__PORT=8100."
    return ConfigurationError("environment", _HIDDEN, str(failure), remedy)


def _invalid_value(error: ErrorDetails, sources: Sources) -> ConfigurationError:
    location = error["loc"]
    if not location:  # the one rule about several settings: keys for an open address
        location = ("platform", "host")
    place = sources.origin(location)
    value = _HIDDEN if _is_secret(location) else error["input"]
    if error["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return ConfigurationError(
            place, value, "no such setting", _suggestion(str(location[-1]), known)
        )
    if error["type"] == "missing":
        return ConfigurationError(place, None, "it is missing", "Add it.")
    problem = error["msg"].removeprefix("Value error, ")
    return ConfigurationError(place, value, problem[:1].lower() + problem[1:], "Correct it there.")


def _suggestion(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return f"{meant}Remove it, or use one of: {', '.join(known)}."


def _named(variable: str, variables: Mapping[str, str]) -> bool:
    return any(name.upper() == variable for name in variables)


def _model_at(location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Follow `location` down the settings' types to the section that holds it."""
    model: type[BaseModel] | None = Settings
    for part in location:
        field = model.model_fields.get(str(part)) if model else None
        if field is None:
            continue  # the name of a template or tier
        model = _section_in(field.annotation)
    return model


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [_section_in(part) for part in getattr(annotation, "__args__", ())]
    return next((section for section in inner if section), None)


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    model = _model_at(location)
    return sorted(model.model_fields) if model else []


def _is_secret(location: tuple[str | int, ...]) -> bool:
    model = _model_at(location[:-1])
    field = model.model_fields.get(str(location[-1])) if model else None
    names = {str(part) for part in location}
    whole = bool(names & {"api_keys", "model_keys", "E2B_API_KEY"})
    return whole or (field is not None and "SecretStr" in str(field.annotation))
