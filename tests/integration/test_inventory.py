"""The inventory of the real template, taken in a real sandbox."""

from pathlib import Path

import pytest

from capibara6.config import load_settings
from capibara6.execution import E2BExecutor, Provider
from capibara6.inventory import Stock
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)


async def test_the_template_is_listed_in_a_sandbox(
    sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    provider = Provider.embedded(sandbox_server.url, sandbox_server.key)

    async def find() -> Provider:
        return provider

    executor = E2BExecutor(load_settings(dotenv=tmp_path / "no.env"), find)
    stock = Stock(executor, "machine_learning", tmp_path)
    try:
        inventory = await stock.get()
    finally:
        await stock.close()
        await executor.close()
    assert inventory is not None
    for there in ("numpy.linalg.norm", "pandas.DataFrame.map", "sklearn.svm.SVC.fit", "json.loads"):
        assert inventory.find(there) is not None, there
    for gone in ("numpy.trapz", "pandas.DataFrame.applymap", "scipy.integrate.simps"):
        assert inventory.missing(gone) is not None, gone
    read_csv = inventory.find("pandas.read_csv")
    assert read_csv is not None
    assert read_csv.signature is not None
    assert read_csv.signature.refused(["sep", "delim_whitespace"]) == ("delim_whitespace",)
