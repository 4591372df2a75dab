"""What came of hostile programs."""

from dataclasses import dataclass

from capibara6_sandbox.attack.programs import Program


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one program."""

    program: Program
    breaches: tuple[str, ...]  # none: it was contained
    met: tuple[str, ...] = ()  # what the program says it met; proves nothing
    unseen: tuple[str, ...] = ()  # its own oracles that could not be asked here
    skipped: str = ""  # why it was not run
    seconds: float = 0.0

    @property
    def contained(self) -> bool:
        """Whether nothing outside was touched; false too if it was not run."""
        return not self.breaches and not self.skipped
