"""What an origin has in memory before candidates are forked from it. Pure."""

import importlib.resources
import json
from collections.abc import Sequence


def loading(paths: Sequence[str]) -> str:
    """A Python cell that loads data files, so that candidates need not; "" without any."""
    if not paths:
        return ""
    text = importlib.resources.files(__package__).joinpath("load.py").read_text("utf-8")
    return f"exec(compile({text!r}, '<loading>', 'exec'), {{'PATHS': {json.dumps(list(paths))}}})"
