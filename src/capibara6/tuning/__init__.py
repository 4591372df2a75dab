"""Tuning: limits from measured usage. Here, the collection of what was used."""

from capibara6.tuning.listener import UsageListener

__all__ = ["UsageListener"]
