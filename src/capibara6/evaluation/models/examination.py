"""The program that examines another: it runs inside a sandbox, in the Python kernel.

It runs the program as a module, then its tests after it, and displays what came of them as JSON.
Standard library only. The examined program runs in the same process, so what is said here holds for
an honest program and proves nothing against one that lies.

Tracebacks begin at the program's own code: what stands in the tests is not shown, since it may be
told to the model that repairs the program.
"""

import linecache
import sys
import traceback
import types
import unittest

PROGRAM, TESTS = "<cell>", "<tests>"
NAME = "candidate"
TEXT_CHARS_MAX = 4_000
ERRORS_MAX = 50


class Seen(unittest.TestResult):
    """Keeps the exceptions of failed tests as they are."""

    def __init__(self):
        super().__init__()
        self.raised = []

    def addError(self, test, err):  # noqa: N802 - unittest's name
        self.raised.append(err[1])

    addFailure = addError  # noqa: N815

    def addSubTest(self, test, subtest, err):  # noqa: N802
        if err is not None:
            self.raised.append(err[1])

    def addUnexpectedSuccess(self, test):  # noqa: N802
        self.raised.append(AssertionError("a test passed that was expected to fail"))


def frames(error):
    found, place = [], error.__traceback__
    while place is not None:
        found.append((place.tb_frame.f_code.co_filename, place))
        place = place.tb_next
    return found


def told(error, stage):
    own = next((place for name, place in frames(error) if name == PROGRAM), None)
    syntax = isinstance(error, SyntaxError) and error.filename == PROGRAM
    shown = traceback.format_exception(type(error), error, own, chain=False)
    try:
        text = str(error)
    except Exception as cause:  # noqa: BLE001 - a class of the program's own
        text = f"(its text raised {type(cause).__name__})"
    return {
        "stage": stage,
        "name": type(error).__name__,
        "value": text[:TEXT_CHARS_MAX],
        "traceback": "".join(shown)[-TEXT_CHARS_MAX:],
        "own": own is not None or syntax,  # raised while the program's own code ran
        "package": package_of(error),
        "missing": getattr(error, "name", None) if isinstance(error, ImportError) else None,
    }


def package_of(error):
    """The installed package in which an exception was raised, "" for none."""
    for name, _ in reversed(frames(error)):
        _, found, inside = name.rpartition("site-packages/")
        if found:
            return inside.partition("/")[0].removesuffix(".py")
    return ""


def versions(names):
    """Of the installed packages that the program has imported, by their names."""
    modules = {getattr(value, "__module__", None) or getattr(value, "__name__", "")
               for value in names.values()}  # fmt: skip
    tops = sorted({str(name).partition(".")[0] for name in modules} - sys.stdlib_module_names)
    found = {top: getattr(sys.modules.get(top), "__version__", None) for top in tops}
    return {top: version for top, version in found.items() if isinstance(version, str)}


class Ways:
    """Notes whether the program looks for somebody outside."""

    def __init__(self):
        self.tried = False
        sys.addaudithook(self.heed)

    def heed(self, event, arguments):
        if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
            self.note(arguments[0])
        elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
            self.note(arguments[1][0])

    def note(self, host):
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if name and name != "localhost" and not name.startswith(("127.", "::1", "0.0.0.0")):  # noqa: S104
            self.tried = True


def run(source, filename, names):
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    exec(compile(source, filename, "exec"), names)  # noqa: S102 - inside the sandbox, as all of this


def tests_of(names, before):
    """Test cases and test functions that the tests' text has defined."""
    new = [value for name, value in list(names.items()) if before.get(name) is not value]
    cases = [v for v in new if isinstance(v, type) and issubclass(v, unittest.TestCase)]
    functions = [
        v for v in new if isinstance(v, types.FunctionType) and v.__name__.startswith("test_")
    ]
    return cases, functions


def tried(task, names):
    """The exceptions of the tests; an empty list means that all held."""
    before = dict(names)
    run(task["tests"], TESTS, names)
    cases, functions = tests_of(names, before)
    if task["entry_point"] and "check" in names and "check" not in before:
        names["check"](names[task["entry_point"]])
    seen = Seen()
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    suite = unittest.TestSuite(load(case) for case in cases)
    suite.run(seen)
    for function in functions:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - also SystemExit
            seen.raised.append(error)
    return seen.raised


def examine(task):
    """Run program and tests; what failed, and what explains it."""
    module = types.ModuleType(NAME)
    module.__file__ = f"/home/user/{NAME}.py"
    sys.modules[NAME] = module
    ways, names = Ways(), vars(module)
    errors = failures(task, names)
    return {"errors": errors, "outside": ways.tried, "versions": versions(names) if errors else {}}


def failures(task, names):
    """What failed, most telling first, as `told` tells it."""
    if "matplotlib" in task["code"] or "matplotlib" in task["tests"]:
        import matplotlib

        matplotlib.use("agg")  # figures stay until they are looked at, as the tests expect
    try:
        run(task["code"], PROGRAM, names)
    except BaseException as error:  # noqa: BLE001 - also SystemExit and KeyboardInterrupt
        return [told(error, "program")]
    wanted = task["entry_point"]
    if wanted and not callable(names.get(wanted)):
        absent = NameError(f"name {wanted!r} is not defined")
        return [told(absent, "program") | {"own": True}]
    try:
        raised = tried(task, names)
    except BaseException as error:  # noqa: BLE001
        return [told(error, "tests")]
    # What the program itself raised says more than what tests found wrong.
    return sorted((told(error, "tests") for error in raised[:ERRORS_MAX]),
                  key=lambda one: not one["own"])  # fmt: skip
