"""Record what the programs of `failing_programs.py` raise: run it with a template's Python.

    TEMPLATE/bin/python -W ignore tests/record_tracebacks.py > tests/unit/tracebacks.json

Each program runs in IPython, as in a sandbox, in a fork of a process that has imported the
template's packages, in a directory with the data files. Paths of the machine are replaced,
and of the packages' sources only the failing lines stay.
"""

import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot
import pandas
import plotly.express
import scipy.stats
import seaborn
import sklearn.linear_model
import statsmodels.formula.api
from IPython.core.interactiveshell import InteractiveShell

from failing_programs import FAILING, FILMS_CSV, SALES_CSV

PRELOADED = (matplotlib, pandas, plotly, scipy, seaborn, sklearn, statsmodels)
_HALF_CHARS_MAX = 2_000  # of a traceback's beginning, and of its end
_SECONDS_MAX = 20
_AROUND = re.compile(r"^ +\d+(?: .*)?$\n?", re.MULTILINE)


def raised_by(code: str) -> tuple[str, str, str]:
    """The class, text and traceback of what a program raises, from a fork."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(writing, "w", encoding="utf-8", errors="replace") as pipe:
            json.dump(_run(code), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    name, value, traceback = json.loads(text)
    return name, value, traceback


def _run(code: str) -> tuple[str, str, str] | None:
    signal.alarm(_SECONDS_MAX)  # a program that hangs records nothing
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    shell = InteractiveShell.instance(colors="nocolor")
    shown: list[tuple[str, str, str]] = []

    def keep(kind: type, value: BaseException, lines: list[str]) -> None:
        shown.append((kind.__name__, str(value), "\n".join(lines)))

    shell._showtraceback = keep
    shell.run_cell(code)
    return shown[0] if shown else None


def record(code: str, directory: str) -> dict[str, str]:
    name, value, traceback = raised_by(code)
    for path, public in (
        (sys.prefix, "/opt/template"),
        (sys.base_prefix, "/usr"),
        (directory, "~"),
    ):
        traceback, value = traceback.replace(path, public), value.replace(path, public)
    frames = re.split(r"(?m)^(?=File |Cell )", traceback)
    traceback = "".join(_AROUND.sub("", f) if f.startswith("File ") else f for f in frames)
    if len(traceback) > 2 * _HALF_CHARS_MAX:
        traceback = f"{traceback[:_HALF_CHARS_MAX]}\n[...]\n{traceback[-_HALF_CHARS_MAX:]}"
    return {"name": name, "value": value, "traceback": traceback}


def main() -> None:
    recorded = {}
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {"HOME": directory, "IPYTHONDIR": directory, "MPLBACKEND": "agg"}
        os.chdir(directory)
        Path("films.csv").write_text(FILMS_CSV, encoding="utf-8")
        Path("sales.csv").write_text(SALES_CSV, encoding="latin-1")
        Path("empty.csv").write_text("", encoding="utf-8")
        Path("ragged.csv").write_text("a,b\n1,2\n1,2,3,4\n", encoding="utf-8")
        for name, failing in FAILING.items():
            try:
                recorded[name] = record(failing.code, directory)
            except (TypeError, ValueError):
                sys.stderr.write(f"*** {name}: nothing raised\n")
                continue
            sys.stderr.write(
                f"{name}: {recorded[name]['name']}: {recorded[name]['value'][:150]!r}\n"
            )
    json.dump(recorded, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
