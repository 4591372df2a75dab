"""Ranges of user ids, one a sandbox, of which no two that live share any."""

from typing import Final

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.isolation.identity import IDS_PER_SANDBOX

FIRST_ID: Final = 1 << 30  # above every range that distributions hand out (/etc/subuid)
RANGES_MAX: Final = 16_000


class IdRanges:
    """The ranges that are free; each is known by its first id."""

    def __init__(self) -> None:
        last = FIRST_ID + RANGES_MAX * IDS_PER_SANDBOX
        self._free = list(range(last, FIRST_ID, -IDS_PER_SANDBOX))

    def __len__(self) -> int:
        """How many are free."""
        return len(self._free)

    def take(self) -> int:
        """Return the first id of a range that nobody has; the one given back last, if there is one.

        Raises:
            StartError: there is none.
        """
        if not self._free:
            raise StartError(f"All {RANGES_MAX:,} ranges of user ids are in use; end a sandbox.")
        return self._free.pop()

    def give_back(self, first_id: int) -> None:
        """Let others have a range: all processes with its ids have ended."""
        self._free.append(first_id)
