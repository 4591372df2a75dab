"""The cell that finds out what a candidate does; it runs inside a sandbox, standard library only.

It is given `TASK`, a text of JSON, and `NAMES`, those of the kernel: `code` (None: the program has
run there already), `examples`, `probes`, `tests`, `check_s`, `whole_s`. It prints one line of JSON
a check, as each is done, so that what hangs or dies later loses nothing. What is examined runs in
the same process: the lines say what an honest program does.
"""

import contextlib
import hashlib
import io
import json
import signal
import sys
import time

MARK = "capibara6-examined "
TEXT_CHARS_MAX = 300


class TooSlow(BaseException):
    """Not an Exception: a program that catches everything must not catch this."""


def too_slow(*_):
    raise TooSlow


def examine(task, out):
    until = time.monotonic() + task["whole_s"]
    names = {"__name__": "__main__"} if task["code"] is not None else NAMES  # noqa: F821 - given

    def told(kind, number, **found):
        out.write(MARK + json.dumps({"kind": kind, "number": number, **found}) + "\n")
        out.flush()

    def tried(kind, number, action):
        if time.monotonic() > until:
            told(kind, number, error="TooSlow", message="no time was left")
            return
        with limited(min(task["check_s"], max(0.1, until - time.monotonic()))):
            told(kind, number, **outcome(action))

    if task["code"] is not None:
        tried("program", 0, lambda: exec(compile(task["code"], "<program>", "exec"), names))  # noqa: S102
    for number, one in enumerate(task["examples"]):
        tried("example", number, lambda one=one: compared(one, names))
    if task["tests"]:
        tried("tests", 0, lambda: exec(compile(task["tests"], "<tests>", "exec"), names))  # noqa: S102
    for number, call in enumerate(task["probes"]):
        tried("probe", number, lambda call=call: eval(call, names))  # noqa: S307


@contextlib.contextmanager
def limited(seconds):
    before = signal.signal(signal.SIGALRM, too_slow)
    # Again and again: the first may fall into a place that swallows it.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(action):
    nowhere = io.StringIO()
    try:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            found = action()
            if isinstance(found, Compared):
                return {"holds": found.holds, **described(found.value)}
            return described(found)
    except TooSlow:
        return {"error": "TooSlow", "message": ""}
    except BaseException as error:  # noqa: BLE001 - also SystemExit of a candidate
        return {"error": type(error).__name__, "message": str(error)[:TEXT_CHARS_MAX]}


class Compared:
    def __init__(self, value, holds):
        self.value, self.holds = value, holds


def compared(example, names):
    found = eval(example["call"], names)  # noqa: S307
    wanted = eval(example["expected"], names)  # noqa: S307
    return Compared(found, same(found, wanted))


def same(found, wanted):
    if isinstance(wanted, float) and isinstance(found, float | int):
        return abs(found - wanted) <= 1e-6 * max(1.0, abs(wanted))
    if isinstance(wanted, list | tuple) and type(found) is type(wanted):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    try:
        return bool(found == wanted)
    except ValueError:  # arrays and frames, which have no single truth
        return bool(getattr(found == wanted, "all", lambda: False)().all())


def described(value):
    text = written(value)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return {"type": type(value).__name__, "value": text[:TEXT_CHARS_MAX], "digest": digest}


def written(value):
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(written, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(written, value))) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items()) + "}"
    return repr(value)


examine(json.loads(TASK), sys.stdout)  # noqa: F821 - given
