"""Every error of the sandbox server has its place in the table of HTTP statuses."""

from collections.abc import Iterator

import pytest

from capibara6_sandbox import errors
from capibara6_sandbox.errors import SandboxServerError
from capibara6_sandbox.gateway.failures import STATUSES


def all_below(kind: type[SandboxServerError]) -> Iterator[type[SandboxServerError]]:
    for below in kind.__subclasses__():
        yield below
        yield from all_below(below)


def test_there_are_errors_to_look_at() -> None:
    assert len(set(all_below(SandboxServerError))) >= 6


@pytest.mark.parametrize("kind", sorted(set(all_below(SandboxServerError)), key=str))
def test_an_error_has_a_status(kind: type[SandboxServerError]) -> None:
    assert 400 <= STATUSES[kind] < 600


@pytest.mark.parametrize("kind", sorted(set(all_below(SandboxServerError)), key=str))
def test_an_error_stands_in_the_drawing(kind: type[SandboxServerError]) -> None:
    assert errors.__doc__ is not None
    assert f"── {kind.__name__} " in errors.__doc__
