"""Marks of tests that need a language on this machine."""

import shutil
from pathlib import Path

import pytest

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js of version 18 or later: make extras"
)
needs_r = pytest.mark.skipif(
    shutil.which("R") is None or not Path("/usr/lib/R/site-library/repr").is_dir(),
    reason="needs R with its packages jsonlite and repr: make extras",
)
needs_java = pytest.mark.skipif(
    shutil.which("jshell") is None, reason="needs a JDK of version 17 or later: make extras"
)
