"""From a failed attempt to its class, cause and hint, so that a repair knows what to mend."""

from capibara6.repair.diagnosis import diagnose, diagnose_findings, diagnose_result

__all__ = ["diagnose", "diagnose_findings", "diagnose_result"]
