"""Whatever parses bytes of a guest or a client, as functions of bytes: for hypothesis and atheris.

Each target returns, or raises what its parser is documented to raise for bad input, which is caught
here; anything else is a finding. Seeds are inputs that lead deep into the parser.
"""

from support import fuzz_clients, fuzz_egress, fuzz_guests
from support.fuzz_registry import TARGETS

__all__ = ["TARGETS"]
_LOADED = (fuzz_clients, fuzz_egress, fuzz_guests)  # each adds its own
