"""The Python kernel's shell, in a template's Python: what E2B's code interpreter would return.

TEMPLATE_PYTHON names the interpreter of a built template.
"""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("TEMPLATE_PYTHON", "")
ROOT = Path(__file__).parents[2]
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs TEMPLATE_PYTHON, which make test sets")

Events = list[dict[str, Any]]


def run(cells: list[str], cwd: Path, *arguments: str, preload: str = "") -> tuple[Events, str]:
    """Run cells; return all events and what was printed."""
    finished = subprocess.run(
        [PYTHON, str(ROOT / "tests" / "python_cells.py"), *arguments],
        input=json.dumps(cells),
        env={
            **QUIET,
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "PYTHONPATH": str(ROOT / "src"),
            "PRELOAD": preload,
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return [json.loads(line) for line in finished.stdout.splitlines()], finished.stderr


def by_cell(events: Events) -> list[Events]:
    cells: list[Events] = []
    for event in events:
        if event["type"] == "cell":
            cells.append([])
        elif cells:
            cells[-1].append(event)
    return cells


def test_values_and_displays(tmp_path: Path) -> None:
    cells = [
        "1 + 1",
        "'quoted'",
        "None",
        "{'a': [1, float('nan')], 2: None}",
        "[object()]",
        "import pandas as pd; pd.DataFrame({'a': [1.5, None], 't': pd.Timestamp('2020-01-02')})",
        "from IPython.display import *\n"
        "display({'text/latex': 'x', 'own/type': {'k': 1}}, raw=True)",
        "h = display(HTML('<b>'), display_id=True); h.update(HTML('<i>')); clear_output()",
        "await __import__('asyncio').sleep(0, 'awaited')",
        "'x' * 40_000_000",
        "len(In), Out[1]",
    ]
    events, printed = run(cells, tmp_path)
    results = by_cell(events)
    assert results[0] == [{"type": "result", "text": "2", "extra": {}, "is_main_result": True}]
    assert results[1][0]["text"] == "quoted"
    assert results[2] == []
    assert results[3][0]["json"] == {"a": [1, None], "2": None}
    assert "json" not in results[4][0]
    assert results[5][0]["data"] == {
        "a": [1.5, None],
        "t": ["2020-01-02T00:00:00", "2020-01-02T00:00:00"],
    }
    assert "<table" in results[5][0]["html"]
    assert (results[6][0]["latex"], results[6][0]["extra"]) == ("x", {"own/type": {"k": 1}})
    assert "text" not in results[6][0]
    assert [result["html"] for result in results[7]] == ["<b>"]
    assert results[8][0]["text"] == "awaited"
    assert 1_000_000 < len(results[9][0]["text"]) < 40_000_000
    assert "too large" in printed
    assert results[10][0]["text"] == "(12, 2)"


def test_figures_and_images(tmp_path: Path) -> None:
    cells = [
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('T');",
        "plt.bar(['a'], [1]); plt.show()\n5",
        "fig, axes = plt.subplots(1, 2); axes[0].plot([1]); axes[1].scatter([1], [2]); plt.show()",
        "import seaborn; seaborn.barplot(x=['a', 'b'], y=[1, 2])",
        "from PIL import Image\nimage = Image.new('RGB', (2, 2)); image.save('i.png')",
        "image.show()",
        "image",
    ]
    figures = by_cell(run(cells, tmp_path)[0])
    assert len(figures[0]) == 1
    assert base64.b64decode(figures[0][0]["png"]).startswith(b"\x89PNG")
    assert (figures[0][0]["chart"]["type"], figures[0][0]["chart"]["title"]) == ("line", "T")
    assert [result["is_main_result"] for result in figures[1]] == [False, True]
    assert figures[1][0]["chart"]["type"] == "bar"
    assert figures[2][0]["chart"]["type"] == "superchart"
    assert [result["is_main_result"] for result in figures[3]] == [True, False]
    for cell in figures[4:]:
        assert len(cell) == 1
        assert base64.b64decode(cell[0]["png"]).startswith(b"\x89PNG")
    assert (tmp_path / "i.png").exists()


def test_errors_are_plain_and_one_a_cell(tmp_path: Path) -> None:
    cells = [
        "def f():\n    return 1 / 0\nf()",
        "x = = 1",
        "%no_such_magic",
        "input('name? ')",
        "exit",
        "quit()",
        "import sys; sys.exit(3)",
        "raise ExceptionGroup('g', [ValueError(1)])",
        "await __import__('asyncio').sleep(0); {}['k']",
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        "class R:\n    def _repr_html_(self): return nope\n    def __repr__(self): return 'R'\nR()",
        "'alive'",
    ]
    outcomes = by_cell(run(cells, tmp_path)[0])
    errors = [[e for e in cell if e["type"] == "error"] for cell in outcomes]
    assert [len(cell) for cell in errors] == [1] * 11 + [0]
    assert [cell[0]["name"] for cell in errors[:-1]] == [
        "ZeroDivisionError",
        "SyntaxError",
        "UsageError",
        "StdinNotImplementedError",
        "SystemExit",
        "SystemExit",
        "SystemExit",
        "ExceptionGroup",
        "KeyError",
        "E",
        "NameError",
    ]
    assert errors[0][0]["value"] == "division by zero"
    assert "Cell In[1], line 2" in errors[0][0]["traceback"]
    assert "\x1b" not in json.dumps(outcomes)
    assert outcomes[-1][0]["text"] == "alive"


def test_magics(tmp_path: Path) -> None:
    cells = ["!echo shell; echo wrong >&2; exit 3", "%cd /usr", "import os; os.getcwd()"]
    cells += ["files = !echo a b\nfiles", "%matplotlib inline", "len?", "_exit_code"]
    events, printed = run(cells, tmp_path)
    results = by_cell(events)
    assert "shell\nwrong\n" in printed
    assert results[2][0]["text"] == "/usr"
    assert results[3][0]["text"] == "['a b']"
    assert "Signature" in results[5][0]["text"]
    assert not any(event["type"] == "error" for event in events)
    assert not (tmp_path / ".ipython").exists()


DRAWS = """
import random, tempfile, secrets, uuid, multiprocessing, ssl
import numpy as np, sympy.core.random as sympy_random
[random.random(), np.random.rand(), sympy_random.random(), np.random.default_rng().random(),
 next(tempfile._get_candidate_names()), uuid.uuid4().hex, ssl.RAND_bytes(8).hex(),
 multiprocessing.current_process().authkey.hex(), secrets.token_hex()]
"""


def test_two_forks_of_a_warm_shell_draw_different_numbers(tmp_path: Path) -> None:
    preload = "numpy pandas matplotlib.pyplot sympy ssl tempfile uuid multiprocessing pyarrow"
    cells = [DRAWS, "__import__('pandas').DataFrame({'a': [1]})"]
    events, printed = run([*cells, "1 / 0"], tmp_path, "warm", "forks", preload=preload)
    assert events[0] == {"type": "warm", "threads": 1}
    assert printed == ""
    outcomes = by_cell(events)
    assert [event["count"] for event in events if event["type"] == "cell"] == [1, 2, 3] * 2
    first, second = outcomes[0][0]["json"], outcomes[3][0]["json"]
    assert len(first) == 9
    assert not set(first) & set(second)
    assert outcomes[1][0]["data"] == outcomes[4][0]["data"] == {"a": [1]}
    assert outcomes[2][0]["name"] == outcomes[5][0]["name"] == "ZeroDivisionError"
