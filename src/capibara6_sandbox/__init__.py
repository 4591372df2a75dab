"""The embedded E2B server: published E2B clients run code on this machine, isolated and at once."""

__version__ = "0.1.0"
