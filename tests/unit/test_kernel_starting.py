"""Starting a kernel in a machine that refuses: told, and no descriptor left open."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.kernel_starting import add_python_kernel
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from kernel_session import open_fds


class RefusingZygote:
    async def request(self, message: dict[str, Any], fds: list[int]) -> None:
        raise ZygoteError("the zygote is gone")


def _machine(joins: Any) -> Machine:
    blueprint = SimpleNamespace(privileged=False)
    machine = SimpleNamespace(blueprint=blueprint, rlimits=[], agent_pidfd=0, open_joins=joins)
    return cast(Machine, machine)


def _no_group() -> list[int]:
    raise FileNotFoundError("cgroup.procs")


@pytest.mark.parametrize(
    ("joins", "reason"), [(_no_group, "cgroup.procs"), (list, "the zygote is gone")]
)
async def test_a_refusal_is_told_and_leaves_nothing_open(joins: Any, reason: str) -> None:
    zygote = cast(ZygoteClient, RefusingZygote())
    before = open_fds()
    with pytest.raises(StartError, match=f"could not start: {reason}"):
        await add_python_kernel(_machine(joins), zygote, "/", "", {})
    assert open_fds() == before
