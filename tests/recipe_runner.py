"""Runs recipes' programs under the sandbox's Python, one forked process each, imports paid once.

Reads lines "PROGRAM<tab>FOLDER" from standard input and answers each with "done". "/home/user/" in
the program stands for FOLDER. There, stdout.txt holds what was printed, stderr.txt the rest, and
shown.json the DataFrames of `display`, the axis labels of the figures of `plt.show`, and the error.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

WARM = (
    "matplotlib",
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "seaborn",
    "sklearn.ensemble",
    "statsmodels.tsa.holtwinters",
)


def main():
    for module in WARM:
        importlib.import_module(module)
    sys.modules["matplotlib"].use("agg")
    for line in sys.stdin:
        program, folder = map(Path, line.rstrip("\n").split("\t"))
        child = os.fork()
        if child == 0:
            run_child(program, folder)
        os.waitpid(child, 0)
        print("done", flush=True)


def run_child(program, folder):
    for stream, name in ((1, "stdout.txt"), (2, "stderr.txt")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), stream)
    try:
        shown = run(program, folder)
        (folder / "shown.json").write_text(json.dumps(shown), encoding="utf-8")
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def run(program, folder):
    import IPython.display
    import matplotlib.pyplot as plt

    tables, figures = [], []

    def display(frame):
        tables.append(json.loads(frame.to_json(orient="split", date_format="iso")))

    def show():
        for number in plt.get_fignums():
            axes = [a for a in plt.figure(number).axes if a.get_label() != "<colorbar>"]
            figures.append([[axis.get_xlabel(), axis.get_ylabel()] for axis in axes])
            plt.close(number)

    IPython.display.display, plt.show = display, show
    code = program.read_text(encoding="utf-8").replace("/home/user/", f"{folder}/")
    error = None
    try:
        exec(compile(code, str(program), "exec"), {"__name__": "__main__"})
    except Exception as problem:  # noqa: BLE001 - the program's failure is what is recorded
        traceback.print_exc()
        error = {"name": type(problem).__name__, "value": str(problem)}
    return {"tables": tables, "figures": figures, "error": error}


if __name__ == "__main__":
    main()
