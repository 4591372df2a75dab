"""Which task a request is, in which language, and which template and tier serve it."""

from capibara6.routing.router import RuleRouter

__all__ = ["RuleRouter"]
