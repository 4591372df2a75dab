"""What a warm Python process does before it is forked, and what each fork does first.

`ZYGOTE_ENVIRONMENT` has to be set before Python starts, so that no library starts threads (a fork
keeps only the calling one). A program that wants more raises the number after the fork with
`threadpoolctl.threadpool_limits(n)`; Python's own threads and processes need nothing.

All forks share the zygote's hash seed (`PYTHONHASHSEED`) and its address layout.
"""

import array
import gc
import importlib.util
import linecache
import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from capibara6_guest.python_imports import choose_backend

ZYGOTE_ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    # pyarrow, which pandas imports, brings an allocator with a thread of its own.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

_MERSENNE_WORDS: Final = 624

# Random generators that exist before the fork, in whichever library: equal in all forks otherwise.
_generators: list[Any] = []

_TABLE = """
import pandas as _p
_f = _p.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 2.0], "s": ["a", "b", "c"]})
_f.groupby("s").agg({"x": "mean"}); _f.describe()
_f
"""
_FIGURE = """
import matplotlib.pyplot as _m
_g, _a = _m.subplots(); _a.plot([1, 2, 3], label="l"); _a.set_title("t"); _a.legend()
_m.show()
"""
_CELLS = (
    (None, "def _f(n):\n    return 1 / n\n_f(0)"),
    (None, "{'a': [1, 2.5, None]}"),
    ("pandas", _TABLE),
    ("matplotlib_inline", _FIGURE),
)


def warm(shell: Any) -> None:
    """Run small representative work, so that its first use in a fork is quick.

    Leaves no thread, no name, no history and no count behind, and publishes nothing.

    Raises:
        RuntimeError: threads are running; the message says what to set.
    """
    published: list[dict[str, Any]] = []
    publish, shell.publish = shell.publish, published.append
    names, hidden = dict(shell.user_ns), dict(shell.user_ns_hidden)
    try:
        for library, code in _CELLS:
            if library is None or importlib.util.find_spec(library) is not None:
                shell.run_cell(code, store_history=True)
    finally:
        shell.publish = publish
    _forget(shell)
    shell.user_ns.clear()
    shell.user_ns.update(names)
    shell.user_ns_hidden.clear()
    shell.user_ns_hidden.update(hidden)
    _start_ssl()
    gc.collect()
    collect_generators()
    _require_single_thread()


def _forget(shell: Any) -> None:
    """Undo what running cells leaves behind in the shell and in the interpreter."""
    shell.reset(new_session=True)
    shell.displayhook.exec_result = None
    shell.compile._filename_map.clear()
    for name in [name for name in linecache.cache if name.startswith("<ipython-input")]:
        del linecache.cache[name]
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    shell.InteractiveTB.tb = None


def collect_generators() -> None:
    """Note every random generator alive, to be seeded anew in each fork.

    Call it last before forking (`warm` does), and before `gc.freeze()`, which hides objects.
    """
    kinds: tuple[type, ...] = (random.Random,)
    hidden: list[Any] = []  # from the garbage collector, which does not track every kind of object
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        kinds += (numpy_random.RandomState, numpy_random.Generator)
        hidden = [numpy_random.mtrand._rand]
    found = {
        id(candidate): candidate
        for candidate in (*hidden, *gc.get_objects())
        if isinstance(candidate, kinds) and not isinstance(candidate, random.SystemRandom)
    }
    _generators[:] = found.values()


def _start_ssl() -> None:
    """Have OpenSSL set up its random generators now: in a fork it would take 5 ms."""
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_bytes(1)


def _require_single_thread() -> None:
    count = len(os.listdir("/proc/self/task"))
    if count == 1:
        return
    names = ", ".join(thread.name for thread in threading.enumerate())
    settings = " ".join(f"{name}={value}" for name, value in ZYGOTE_ENVIRONMENT.items())
    raise RuntimeError(
        f"{count} threads run before the fork (Python's own: {names}); set {settings} before "
        "Python starts, and import no library that starts threads"
    )


def after_fork(shell: Any) -> None:
    """Make a fork independent of its siblings. Call it first, with the fork's environment and cwd.

    Two forks must not draw the same numbers, so all generators that existed before the fork are
    seeded anew, as is whatever else keeps random state or a path of the zygote's.
    """
    reseed()
    shell.home_dir = os.path.expanduser("~")
    shell.starting_dir = str(Path.cwd())
    shell.history_manager.dir_hist[:] = [Path.cwd()]
    _forget_directories()
    choose_backend()


def _forget_directories() -> None:
    """Let imports look again where the zygote saw no directory, or another one of the same name."""
    here = str(Path.cwd())
    for path, finder in list(sys.path_importer_cache.items()):
        if finder is None or path == here:
            del sys.path_importer_cache[path]


def reseed() -> None:
    """Seed every generator that exists since before the fork from the operating system.

    Nothing is to be done for uuid4, secrets and numpy.random.default_rng(): they ask the operating
    system each time.
    """
    random.seed()
    for generator in _generators:
        _reseed_generator(generator)
    for module, renew in _RENEWALS.items():
        if module in sys.modules:
            renew(sys.modules[module])


def reseed_also(generators: list[Any]) -> None:
    """Do as `reseed` does, for generators made since the fork from the zygote too."""
    known = {id(generator) for generator in _generators}
    _generators.extend(found for found in generators if id(found) not in known)
    reseed()


def _reseed_generator(generator: Any) -> None:
    if isinstance(generator, random.Random):
        generator.seed()
        return
    bits = getattr(generator, "_bit_generator", None) or generator.bit_generator
    draw = _STATES.get(type(bits).__name__)
    bits.state = draw() if draw is not None else type(bits)().state


def _mersenne_state() -> dict[str, Any]:
    words = array.array("I", os.urandom(_MERSENNE_WORDS * 4))
    return {"bit_generator": "MT19937", "state": {"key": words, "pos": _MERSENNE_WORDS}}


def _pcg_state() -> dict[str, Any]:
    state, increment = (int.from_bytes(os.urandom(16), "little") for _ in range(2))
    return {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": increment | 1},
        "has_uint32": 0,
        "uinteger": 0,
    }


# Whole states of the usual generators: numpy's own seeding, made to stretch short seeds, would
# take 1 ms and 400 kB more of each fork.
_STATES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "MT19937": _mersenne_state,
    "PCG64": _pcg_state,
}


def _renew_tempfile(tempfile: Any) -> None:
    # It seeds itself anew when the process id changes, but two sandboxes may use the same ids.
    tempfile._name_sequence = None


def _renew_uuid(module: Any) -> None:
    module._node = None


def _renew_process(process: Any) -> None:
    process.current_process().authkey = os.urandom(32)


def _renew_ssl(ssl: Any) -> None:
    # OpenSSL too knows a fork by its process id only.
    ssl.RAND_add(os.urandom(32), 32.0)


_RENEWALS: dict[str, Callable[[Any], None]] = {
    "tempfile": _renew_tempfile,
    "uuid": _renew_uuid,
    "multiprocessing.process": _renew_process,
    "ssl": _renew_ssl,
}
