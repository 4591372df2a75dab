"""The connection test: does the configured provider run code, and with which packages?"""

import json
import time
from dataclasses import dataclass, field

from capibara6.domain.executions import ExecutionRequest, ExecutionResult
from capibara6.domain.ports import Executor
from capibara6.errors import CapibaraError

_BASIC = "print(sum(range(101)))"

_STACK = """
import numpy as np
import pandas as pd

table = pd.DataFrame({"group": ["a", "b", "a", "b"], "value": np.array([1.0, 2.0, 3.0, 4.0])})
print(table.groupby("group")["value"].mean().to_dict())
"""

_PACKAGES = """
import json
from importlib.metadata import distributions

print(json.dumps({item.metadata["Name"]: item.version for item in distributions()}))
"""


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """One step of the test."""

    name: str  # "basic" | "numpy_pandas" | "packages"
    passed: bool
    detail: str  # what came out, or what went wrong and what to do
    wall_s: float  # of the whole step, the sandbox's start included
    error_code: str = ""  # a CapibaraError.code, or "program_failed"


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """All steps; after a provider that does not answer the others are not tried."""

    checks: tuple[ConnectionCheck, ...]
    packages: dict[str, str] = field(default_factory=dict)  # name -> version

    @property
    def passed(self) -> bool:
        """Whether everything works."""
        return all(check.passed for check in self.checks)


async def check_connection(executor: Executor, template: str = "default") -> ConnectionReport:
    """Run basic code, numpy and pandas code, and take the inventory of packages."""
    checks: list[ConnectionCheck] = []
    for name, code, expected in (
        ("basic", _BASIC, "5050"),
        ("numpy_pandas", _STACK, "{'a': 2.0, 'b': 3.0}"),
        ("packages", _PACKAGES, "{"),
    ):
        check, result = await _step(
            executor, name, ExecutionRequest(code, template=template), expected
        )
        checks.append(check)
        if result is None:
            return ConnectionReport(tuple(checks))
    packages = json.loads(result.stdout) if result and checks[-1].passed else {}
    return ConnectionReport(tuple(checks), packages)


async def _step(
    executor: Executor, name: str, request: ExecutionRequest, expected: str
) -> tuple[ConnectionCheck, ExecutionResult | None]:
    started = time.monotonic()
    result: ExecutionResult | None = None
    try:
        async for item in executor.execute(request):
            if isinstance(item, ExecutionResult):
                result = item
    except CapibaraError as cause:
        wall_s = time.monotonic() - started
        return ConnectionCheck(name, False, str(cause), wall_s, cause.code), None
    wall_s = time.monotonic() - started
    if result is None:
        return ConnectionCheck(name, False, "no result came", wall_s, "provider"), None
    if result.error is not None:
        detail = f"{result.error.name}: {result.error.value}"
        return ConnectionCheck(name, False, detail, wall_s, "program_failed"), result
    printed = result.stdout.strip()
    if not printed.startswith(expected):
        detail = f"printed {printed[:200]!r} instead of {expected!r}"
        return ConnectionCheck(name, False, detail, wall_s, "program_failed"), result
    return ConnectionCheck(name, True, _summary(name, printed), wall_s), result


def _summary(name: str, printed: str) -> str:
    return f"{len(json.loads(printed))} packages" if name == "packages" else printed
