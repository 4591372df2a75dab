"""The cell that loads data files before candidates are forked; it runs inside a sandbox.

It is given `PATHS`. What pandas has read once from a file it gives again, as long as the
file is the same and nothing but its path is asked for; a copy, so that nobody sees another's
changes. Whatever fails is left to the candidates.
"""

import contextlib
import functools
import os

READERS = {".csv": "read_csv", ".parquet": "read_parquet", ".json": "read_json",
           ".xlsx": "read_excel"}  # fmt: skip


def load(paths):
    import pandas as pd

    loaded = {}
    for path in paths:
        name = READERS.get(os.path.splitext(path)[1].lower())
        if name:
            with contextlib.suppress(Exception):
                loaded[name, path] = (stamp(path), getattr(pd, name)(path))
    deep = int(pd.__version__.split(".")[0]) < 3  # later ones copy when something is written
    for name in {name for name, _ in loaded}:
        setattr(pd, name, again(getattr(pd, name), name, loaded, deep))


def stamp(path):
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns  # not the inode, which a fork has anew


def again(read, name, loaded, deep):
    @functools.wraps(read)
    def reader(*given, **named):
        if len(given) == 1 and not named and isinstance(given[0], str | os.PathLike):
            path = os.path.abspath(os.fspath(given[0]))
            with contextlib.suppress(KeyError, OSError):
                seen, frame = loaded[name, path]
                if seen == stamp(path):
                    return frame.copy(deep=deep)
        return read(*given, **named)

    return reader


with contextlib.suppress(ImportError):
    load(PATHS)  # noqa: F821 - given
