"""Configuration: `e2b_config.json` for the system, the environment and `.env` for secrets."""

from capibara6.config.loading import load_settings
from capibara6.config.sections import (
    CloudProvider,
    EmbeddedProvider,
    Limits,
    Logging,
    Mail,
    Platform,
    Router,
    Template,
    Tier,
    Tuning,
    Validation,
)
from capibara6.config.settings import Settings, require_keys_off_loopback

__all__ = [
    "CloudProvider",
    "EmbeddedProvider",
    "Limits",
    "Logging",
    "Mail",
    "Platform",
    "Router",
    "Settings",
    "Template",
    "Tier",
    "Tuning",
    "Validation",
    "load_settings",
    "require_keys_off_loopback",
]
