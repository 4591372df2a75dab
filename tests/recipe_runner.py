"""Runs a recipe's program under the sandbox's Python and writes what it showed as JSON.

Usage: recipe_runner.py PROGRAM FOLDER. "/home/user/" in the program stands for FOLDER. DataFrames shown
with `display` and figures shown with `plt.show` are collected; standard output is left alone.
"""

import json
import sys
import traceback
from pathlib import Path


def main() -> int:
    import IPython.display
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    program, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tables, figures = [], []
    IPython.display.display = lambda frame: tables.append(json.loads(frame.to_json(orient="split")))
    plt.show = lambda: figures.extend(figure_facts(plt))
    code = program.read_text(encoding="utf-8").replace("/home/user/", f"{folder}/")
    error = None
    try:
        exec(compile(code, str(program), "exec"), {"__name__": "__main__"})
    except Exception as problem:
        traceback.print_exc()
        error = {"name": type(problem).__name__, "value": str(problem)}
    shown = {"tables": tables, "figures": figures, "error": error}
    (folder / "shown.json").write_text(json.dumps(shown), encoding="utf-8")
    return 0


def figure_facts(plt):
    facts = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
        facts.append([[axis.get_xlabel(), axis.get_ylabel()] for axis in axes])
        plt.close(figure)
    return facts


if __name__ == "__main__":
    sys.exit(main())
