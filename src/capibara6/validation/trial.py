"""The program that tries another: examples and tests, one after the other, each on its own.

It runs inside a sandbox, in the Python kernel; what it is to try lies beside it as JSON. Standard
library only. The program that is tried runs in the same process, so what is written here says what
an honest program does, and proves nothing against one that lies.
"""

import json
import pathlib
import traceback
import unittest

INPUT = "/home/user/.capibara6-trial-input.json"
OUTPUT = "/home/user/capibara6-trial.json"
TEXT_CHARS_MAX = 2_000
CHECKS_MAX = 1_000


def told(error):
    return "".join(traceback.format_exception_only(type(error), error)).strip()[:TEXT_CHARS_MAX]


def tried(name, action):
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - also SystemExit and KeyboardInterrupt of a test
        return {"name": name, "passed": False, "message": told(error)}
    return {"name": name, "passed": True, "message": ""}


def compared(example, names):
    found = eval(example["call"], names)  # noqa: S307 - inside the sandbox, as all of this
    wanted = eval(example["expected"], names)  # noqa: S307
    if not same(found, wanted):
        raise AssertionError(f"gave {found!r:.300}, not {wanted!r:.300}")


def same(found, wanted):
    try:
        return bool(found == wanted)
    except ValueError:  # arrays and frames, which have no single truth
        return bool(getattr(found == wanted, "all", lambda: False)().all())


def cases_of(kind):
    found = []
    for case in unittest.defaultTestLoader.loadTestsFromTestCase(kind):
        result = unittest.TestResult()
        case.run(result)
        wrong = [*result.failures, *result.errors, *((case, "unexpected success")
                 for case in result.unexpectedSuccesses)]  # fmt: skip
        message = wrong[0][1].strip()[-TEXT_CHARS_MAX:] if wrong else ""
        found.append({"name": case.id().rpartition("__main__.")[2], "passed": not wrong,
                      "message": message})  # fmt: skip
    return found


def tests_of(source, names):
    before = set(names)
    checks = [tried("tests", lambda: exec(compile(source, "<tests>", "exec"), names))]  # noqa: S102
    functions = classes = 0
    for name in [one for one in names if one not in before]:
        value = names[name]
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            checks += cases_of(value)
            classes += 1
        elif name.startswith("test_") and callable(value):
            checks.append(tried(name, value))
            functions += 1
    # Where the text only defines tests, that it could be read is no test.
    return checks[1:] if checks[0]["passed"] and (functions or classes) else checks


def main():
    task = json.loads(pathlib.Path(INPUT).read_text(encoding="utf-8"))
    names = {"__name__": "__main__"}
    source = get_ipython().transform_cell(task["code"])  # noqa: F821 - the kernel's
    names["get_ipython"] = get_ipython  # noqa: F821
    first = tried("program", lambda: exec(compile(source, "<program>", "exec"), names))  # noqa: S102
    checks = [first]
    if first["passed"]:
        for example in task["examples"]:
            name = f"{example['call']} => {example['expected']}"
            checks.append(tried(name, lambda one=example: compared(one, names)))
        if task["tests"]:
            checks += tests_of(task["tests"], names)
    text = json.dumps({"checks": checks[:CHECKS_MAX]})
    pathlib.Path(OUTPUT).write_text(text, encoding="utf-8")


main()
