"""Seeing what happens: the event bus, logs without secrets, metrics."""

from capibara6.monitoring.bus import EventBus
from capibara6.monitoring.logging import configure_logging
from capibara6.monitoring.metrics import MetricsListener

__all__ = ["EventBus", "MetricsListener", "configure_logging"]
