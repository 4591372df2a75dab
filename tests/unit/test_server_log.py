"""The sandbox server's log."""

import io

import pytest
import structlog

from capibara6_sandbox.log import configure_log


@pytest.fixture(autouse=True)
def _restored():
    yield
    structlog.reset_defaults()


def test_a_traceback_tells_no_variables():
    target = io.StringIO()
    configure_log(target)
    password = "canary-variable"
    try:
        int(f"x{len(password)}")
    except ValueError:
        structlog.get_logger().exception("fault", build_id="b")
    assert "ValueError: invalid literal" in target.getvalue()
    assert "build_id=b" in target.getvalue()
    assert password not in target.getvalue().replace('password = "canary-variable"', "")
