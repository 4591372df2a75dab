"""The self-check: what every provider of sandboxes shall do, tried through the published SDK.

Nothing here knows who the provider is. What one of them is known to do otherwise, and why, stands
in `differences`, and nowhere else.
"""

from capibara6.selfcheck.report import Outcome, SelfCheck, check_behaviours

__all__ = ["Outcome", "SelfCheck", "check_behaviours"]
