"""Installed names: look-ups, uses in programs, facts about failures. The scan runs in a sandbox."""

import ast
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capibara6.domain.executions import (
    Artefact,
    ExecutionError,
    ExecutionRequest,
    ExecutionResult,
)
from capibara6.domain.programs import Program
from capibara6.errors import ProviderError
from capibara6.inventory import Inventory, Signature, Stock, uses
from capibara6.inventory.stock import OUTPUT, pack_inventory, read_inventory
from capibara6.repair.installed import facts_about

FRAME = "pandas.core.frame.DataFrame"
DOCUMENT: dict[str, Any] = {
    "format": 1,
    "python": "3.11.7",
    "versions": {"numpy": "2.4.6", "pandas": "3.1.1"},
    "distributions": {"numpy": ["numpy"], "pandas": ["pandas"]},
    "modules": {
        "numpy": {
            "names": {"trapezoid": "fy,x=,dx=,axis=", "linalg": "mnumpy.linalg", "pi": "v"},
            "dynamic": True,
        },
        "numpy.linalg": {"names": {"norm": "fx,ord="}, "dynamic": False},
        "pandas": {
            "names": {"DataFrame": f"c{FRAME}", "read_csv": "fpath,*,sep=,encoding="},
            "dynamic": False,
        },
    },
    "classes": {
        FRAME: {
            "init": "data=,index=",
            "mro": ["pandas.core.generic.NDFrame"],
            "members": {"map": "ffunc,na_action=,**kwargs", "shape": "v"},
            "dynamic": True,
        },
        "pandas.core.generic.NDFrame": {
            "init": "data",
            "mro": [],
            "members": {"fillna": "fvalue,axis="},
            "dynamic": False,
        },
    },
}
INVENTORY = Inventory(DOCUMENT)


def test_names_are_found_through_modules_classes_and_bases() -> None:
    norm = INVENTORY.find("numpy.linalg.norm")
    assert norm is not None
    assert norm.signature == Signature(("x", "ord="))
    frame = INVENTORY.find("pandas.DataFrame")
    assert frame is not None
    assert (frame.kind, frame.target) == ("class", FRAME)
    assert INVENTORY.find("pandas.DataFrame.fillna") is not None
    assert INVENTORY.members("pandas.DataFrame") == ("fillna", "map", "shape")
    assert INVENTORY.version_of("numpy.linalg") == ("numpy", "2.4.6")
    assert INVENTORY.version_of("os") is None


def test_what_is_missing_is_named_with_its_owner() -> None:
    gone = INVENTORY.missing("numpy.trapz")
    assert gone is not None
    assert (gone.owner, gone.name, gone.certain) == ("numpy", "trapz", True)
    assert INVENTORY.close("numpy", "trapz") == ("trapezoid",)
    method = INVENTORY.missing("pandas.DataFrame.applymap")
    assert method is not None
    assert not method.certain  # a column may be called so
    assert INVENTORY.close("pandas.DataFrame", "applymap") == ("map",)
    for unknown in ("torch.nn", "numpy.pi.real", "numpy.trapezoid.__doc__"):
        assert INVENTORY.missing(unknown) is None


@pytest.mark.parametrize(
    "document",
    [{}, {"format": 2}, {**DOCUMENT, "modules": []}, {**DOCUMENT, "versions": None}],
)
def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="inventory"):
        Inventory(document)


def test_a_document_of_odd_parts_is_as_good_as_empty() -> None:
    odd = Inventory({**DOCUMENT, "modules": {"numpy": {"names": 3}, "pandas": {"names": {"x": 1}}}})
    assert odd.find("numpy.pi") is None
    found = odd.find("pandas.x")
    assert found is not None
    assert found.kind == "value"


def test_signatures_say_which_calls_they_take() -> None:
    signature = Signature.parse("path,/,sep=,*,encoding,quote=")
    assert signature.keywords == ("sep", "encoding", "quote")
    assert signature.required == ("path", "encoding")
    assert signature.positional_max == 2
    assert signature.refused(["sep", "delim_whitespace"]) == ("delim_whitespace",)
    assert Signature.parse("x,*args,**kwargs").refused(["anything"]) == ()
    assert Signature.parse("x,*args").positional_max is None
    assert str(signature) == "(path, /, sep=…, *, encoding, quote=…)"


def test_uses_follow_the_imports() -> None:
    code = """
import numpy as np, os.path
from pandas import read_csv as load
df = load("x.csv", sep=";", **more)
area = np.trapz(df.a, x=df.b)
df.applymap(str).head()
os = 3
"""
    found = uses(ast.parse(code))
    told = {(use.dotted, use.keywords, use.line) for use in found if not use.is_import}
    assert ("pandas.read_csv", ("sep",), 4) in told
    assert ("numpy.trapz", ("x",), 5) in told
    assert (".applymap", (), 6) in told
    assert (".head", (), 6) in told
    assert not any(use.dotted.startswith("os") for use in found if not use.is_import)
    load = next(use for use in found if use.dotted == "pandas.read_csv" and use.keywords)
    assert (load.positional, load.unpacked) == (1, True)


def failed(name: str, value: str, line: int) -> ExecutionResult:
    text = f"Cell In[1], line {line}"
    return ExecutionResult(success=False, error=ExecutionError(name, value, text))


@pytest.mark.parametrize(
    ("code", "name", "value", "line", "said"),
    [
        (
            "import numpy as np\nnp.trapz([1])",
            "AttributeError",
            "module 'numpy' has no attribute 'trapz'",
            2,
            "numpy 2.4.6: `numpy` has no `trapz`. It has `trapezoid`.",
        ),
        (
            "from numpy import trapz",
            "ImportError",
            "cannot import name 'trapz' from 'numpy' (x.py)",
            1,
            "`numpy` has no `trapz`",
        ),
        (
            "import pandas as pd\npd.DataFrame().applymap(str)",
            "AttributeError",
            "'DataFrame' object has no attribute 'applymap'",
            2,
            "pandas 3.1.1: `pandas.core.frame.DataFrame` has no `applymap`. It has `map`.",
        ),
        (
            "import pandas as pd\npd.read_csv('x', delim_whitespace=True)",
            "TypeError",
            "read_csv() got an unexpected keyword argument 'delim_whitespace'",
            2,
            "`pandas.read_csv` takes no `delim_whitespace`; it takes `(path, *, sep=…",
        ),
        (
            "import pandas as pd\npd.DataFrame().fillna(method='ffill')",
            "TypeError",
            "NDFrame.fillna() got an unexpected keyword argument 'method'",
            2,
            "fillna` takes no `method`; it takes `(value, axis=…)`",
        ),
        ("import torch", "ModuleNotFoundError", "No module named 'torch'", 1, "`torch` is not"),
    ],
)
def test_facts_explain_a_failure(code: str, name: str, value: str, line: int, said: str) -> None:
    result = failed(name, value, line)
    facts = facts_about(Program(code), result, INVENTORY, "en")
    assert said in facts[0], facts
    assert facts_about(Program(code), result, INVENTORY, "es") != facts


def test_facts_are_silent_where_nothing_is_gone() -> None:
    program = Program("import numpy as np\nnp.linalg.norm([1])")
    assert facts_about(program, failed("ValueError", "odd", 2), INVENTORY, "en") == ()
    assert facts_about(program, None, INVENTORY, "en") == ()
    broken = Program("def (:")
    assert facts_about(broken, failed("SyntaxError", "invalid", 1), INVENTORY, "en") == ()


class Sandbox:
    """An executor that answers the check of versions, and leaves a document."""

    def __init__(self, document: dict[str, Any] | None = DOCUMENT) -> None:
        self.document = document
        self.programs: list[str] = []

    async def execute(self, request: ExecutionRequest) -> AsyncIterator[Any]:
        self.programs.append(request.code)
        if self.document is None:
            raise ProviderError("nobody there")
        versions = str(self.document["versions"]).replace("'", '"')
        result = ExecutionResult(success=True, stdout=versions)
        if "walk" in request.code:
            content = pack_inventory(self.document)
            result = replace(result, artefacts=(Artefact(OUTPUT, "application/gzip", content),))
        yield result


async def test_an_inventory_is_taken_once_and_kept(tmp_path: Path) -> None:
    sandbox = Sandbox()
    stock = Stock(sandbox, "default", tmp_path)
    assert stock.at_hand is None
    first = await stock.get()
    assert first is not None
    assert await stock.get() is first is stock.at_hand
    assert len(sandbox.programs) == 1
    again = Sandbox()
    assert await Stock(again, "default", tmp_path).get() is not None
    assert len(again.programs) == 1  # the versions alone
    newer = Sandbox({**DOCUMENT, "versions": {"numpy": "3.0"}})
    found = await Stock(newer, "default", tmp_path).get()
    assert found is not None
    assert found.versions == {"numpy": "3.0"}
    assert len(newer.programs) == 2


async def test_without_a_sandbox_there_are_no_facts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "default.json.gz").write_bytes(b"broken")
    stock = Stock(Sandbox(None), "default", tmp_path)
    assert await stock.get() is None
    assert "cannot be listed: nobody there" in caplog.text
    assert "is not readable" in caplog.text
    await stock.close()


def test_a_document_that_is_none_is_refused() -> None:
    for content in (b"", b"x", pack_inventory(["list"])[:-3]):  # type: ignore[arg-type]
        with pytest.raises((ValueError, OSError, EOFError, Exception)):
            read_inventory(content)
