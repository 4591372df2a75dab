"""The mark of tests that need root."""

import os

import pytest


def needs_root(what: str) -> pytest.MarkDecorator:
    """Skip a test for ordinary users.

    Args:
        what: it does, that others may not.
    """
    return pytest.mark.skipif(os.geteuid() != 0, reason=f"needs root: {what}")
