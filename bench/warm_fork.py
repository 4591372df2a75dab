"""The floor of the figure: the same program in a fork of a warm interpreter, and nothing around it.

Run with the template's own Python, so that the libraries are the same ones:

    PYTHON bench/warm_fork.py RUNS < PROGRAM      prints a JSON list of milliseconds
"""

import json
import os
import sys
import time


def main() -> None:
    """Import and draw once, then fork, draw and wait, RUNS times."""
    import matplotlib as mpl

    mpl.use("agg")
    program = compile(sys.stdin.read(), "<figure>", "exec")
    _draw(program)
    samples = []
    for _ in range(int(sys.argv[1])):
        start = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            _draw(program)
            os._exit(0)
        os.waitpid(pid, 0)
        samples.append((time.perf_counter() - start) * 1000)
    print(json.dumps(samples))


def _draw(program: object) -> None:
    import io

    import matplotlib.pyplot as plt

    exec(program, {})  # type: ignore[arg-type]
    plt.gcf().savefig(io.BytesIO(), format="png", bbox_inches="tight")
    plt.close("all")


if __name__ == "__main__":
    main()
