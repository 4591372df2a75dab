"""What users do, told to whichever version of the SDK runs this; prints how each part went.

It finds the server by E2B's own variables. Names below `E2B_DOMAIN` lead to loopback, as a wildcard
record of the DNS would have it: by a patch where the SDK asks Python for addresses, by the proxy
`SCENARIO_PROXY` where it does not.
"""

import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from e2b_code_interpreter import Sandbox

PROXY = os.environ.get("SCENARIO_PROXY")
OPTIONS: dict[str, Any] = {"proxy": PROXY} if PROXY else {}
RUN = uuid.uuid4().hex

_getaddrinfo = socket.getaddrinfo


def _below_domain(host: Any, *arguments: Any, **options: Any) -> Any:
    domain = os.environ.get("E2B_DOMAIN", "").partition(":")[0]
    name = host.decode() if isinstance(host, bytes) else host
    inside = domain and name and name.endswith(f".{domain}")
    return _getaddrinfo("127.0.0.1" if inside else host, *arguments, **options)


Part = Callable[[Sandbox], None]
PARTS: dict[str, Part] = {}


def part(function: Part) -> Part:
    PARTS[function.__name__] = function
    return function


def same(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def fails(call: Callable[[], object], *names: str) -> None:
    try:
        call()
    except Exception as failure:
        if type(failure).__name__ not in names:
            raise
        return
    raise AssertionError(f"none of {names} was raised")


def pause(sandbox: Sandbox) -> None:
    """Pause under the name that the version has for it."""
    (getattr(sandbox, "pause", None) or sandbox.beta_pause)()


@part
def create(sandbox: Sandbox) -> None:
    info = sandbox.get_info()
    same((info.sandbox_id, info.metadata), (sandbox.sandbox_id, {"run": RUN}))
    same(sandbox.is_running(), True)


@part
def run_code(sandbox: Sandbox) -> None:
    execution = sandbox.run_code("import os\nprint('out')\nos.environ['GLOBAL'] + str(6 * 7)")
    same((execution.text, execution.logs.stdout), ("g42", ["out\n"]))
    error = sandbox.run_code("1 / 0").error
    same(error and error.name, "ZeroDivisionError")
    table = sandbox.run_code("import pandas as pd; pd.DataFrame({'a': [1, 2]})").results[0]
    same(table.data, {"a": [1, 2]})
    same("".join(sandbox.run_code("echo shell", language="bash").logs.stdout), "shell\n")


@part
def chart(sandbox: Sandbox) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4], label='l')\nplt.show()"
    figure = sandbox.run_code(code).results[0]
    same(bool(figure.png), True)
    same(figure.chart.type.value, "line")
    same([tuple(point) for point in figure.chart.elements[0].points], [(1, 3), (2, 4)])


@part
def contexts(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context(cwd="/tmp")
    sandbox.run_code("x = 1")
    sandbox.run_code("x = 2", context=context)
    same(sandbox.run_code("x").text, "1")
    same(sandbox.run_code("x", context=context).text, "2")


@part
def contexts_listed_restarted_and_removed(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context(language="python")
    same(context.id in [known.id for known in sandbox.list_code_contexts()], True)
    sandbox.run_code("x = 1", context=context)
    sandbox.restart_code_context(context)
    error = sandbox.run_code("x", context=context).error
    same(error and error.name, "NameError")
    sandbox.remove_code_context(context)
    same(context.id in [known.id for known in sandbox.list_code_contexts()], False)


@part
def code_over_its_time(sandbox: Sandbox) -> None:
    sandbox.run_code("y = 5")
    late = "import time; time.sleep(100)"
    fails(lambda: sandbox.run_code(late, timeout=0.5), "TimeoutException")
    same(sandbox.run_code("y", timeout=20).text, "5")


@part
def commands(sandbox: Sandbox) -> None:
    result = sandbox.commands.run("echo out; echo err >&2; pwd", cwd="/tmp")
    same((result.stdout, result.stderr, result.exit_code), ("out\n/tmp\n", "err\n", 0))
    fails(lambda: sandbox.commands.run("exit 3"), "CommandExitException")
    # Some versions give up reading at the very moment at which the server says so.
    late = ("TimeoutException", "ReadTimeout")
    fails(lambda: sandbox.commands.run("sleep 100", timeout=1), *late)
    same(sandbox.commands.run("echo $HOME", user="root").stdout, "/root\n")


@part
def commands_in_the_background(sandbox: Sandbox) -> None:
    handle = sandbox.commands.run("head -n 1", background=True, stdin=True)
    same(handle.pid in [process.pid for process in sandbox.commands.list()], True)
    sandbox.commands.send_stdin(handle.pid, "fed\n")
    same(handle.wait().stdout, "fed\n")
    sleeper = sandbox.commands.run("sleep 100", background=True)
    same(sandbox.commands.kill(sleeper.pid), True)
    same(sandbox.commands.kill(sleeper.pid), False)


@part
def terminals(sandbox: Sandbox) -> None:
    from e2b import PtySize

    terminal = sandbox.pty.create(PtySize(rows=24, cols=80))
    sandbox.pty.resize(terminal.pid, PtySize(rows=30, cols=100))
    sandbox.pty.send_stdin(terminal.pid, b"stty size; exit\n")
    heard: list[bytes] = []
    terminal.wait(on_pty=heard.append)
    same(b"30 100" in b"".join(heard), True)


@part
def files(sandbox: Sandbox) -> None:
    same(sandbox.files.write("made/text.txt", "ñandú").path, "/home/user/made/text.txt")
    same(sandbox.files.read("made/text.txt"), "ñandú")
    raw = bytes(range(256)) * 4096
    sandbox.files.write("/tmp/raw", raw)
    same(bytes(sandbox.files.read("/tmp/raw", format="bytes")) == raw, True)
    same([entry.name for entry in sandbox.files.list("made")], ["text.txt"])
    same(sandbox.files.get_info("made/text.txt").size, 7)
    sandbox.files.rename("made", "moved")
    same((sandbox.files.exists("moved"), sandbox.files.exists("made")), (True, False))
    sandbox.files.remove("moved")
    missing = ("NotFoundException", "FileNotFoundException")
    fails(lambda: sandbox.files.read("moved/text.txt"), *missing)


@part
def watches(sandbox: Sandbox) -> None:
    sandbox.files.make_dir("watched")
    watch = sandbox.files.watch_dir("watched")
    sandbox.files.write("watched/file", "x")
    events: list[Any] = []
    deadline = time.monotonic() + 10
    while len(events) < 3 and time.monotonic() < deadline:
        events += watch.get_new_events()
    watch.stop()
    same([event.type.value for event in events], ["create", "chmod", "write"])


@part
def timeouts(sandbox: Sandbox) -> None:
    before = sandbox.get_info().end_at
    sandbox.set_timeout(500)
    same(sandbox.get_info().end_at > before, True)


@part
def listing(sandbox: Sandbox) -> None:
    from e2b import SandboxQuery

    found = Sandbox.list(query=SandboxQuery(metadata={"run": RUN}), **OPTIONS).next_items()
    same([info.sandbox_id for info in found], [sandbox.sandbox_id])


@part
def measures(sandbox: Sandbox) -> None:
    same(isinstance(sandbox.get_metrics(), list), True)


@part
def connecting(sandbox: Sandbox) -> None:
    sandbox.files.write("kept", "kept")
    same(Sandbox.connect(sandbox.sandbox_id, **OPTIONS).files.read("kept"), "kept")


@part
def pausing_and_resuming(sandbox: Sandbox) -> None:
    sandbox.files.write("/tmp/still", "here")
    pause(sandbox)
    same(sandbox.get_info().state.value, "paused")
    sandbox.connect()
    same(sandbox.files.read("/tmp/still"), "here")


@part
def pausing_keeps_variables(sandbox: Sandbox) -> None:
    sandbox.run_code("kept = 7")
    pause(sandbox)
    sandbox.connect()
    same(sandbox.run_code("kept").text, "7")


@part
def templates(sandbox: Sandbox) -> None:
    from e2b import Template

    name = f"v-{RUN[:12]}"
    Template.build(Template().from_base_image().run_cmd("echo built > ~/built"), alias=name)
    with Sandbox.create(name, timeout=60, **OPTIONS) as made:
        same(made.files.read("built"), "built\n")


@part
def killing(sandbox: Sandbox) -> None:
    same(sandbox.kill(), True)
    same(sandbox.is_running(), False)
    same(Sandbox.kill(sandbox.sandbox_id, **OPTIONS), False)
    gone = ("TimeoutException", "SandboxNotRunningException")
    fails(lambda: sandbox.files.read("x"), *gone)


def outcome(part: Part, sandbox: Sandbox) -> str:
    """Return what went wrong in a part; an empty text if nothing did."""
    try:
        part(sandbox)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(failure).__name__}: {failure}"
    return ""


def main() -> None:
    socket.getaddrinfo = _below_domain
    metadata = {"run": RUN}
    sandbox = Sandbox.create(timeout=120, metadata=metadata, envs={"GLOBAL": "g"}, **OPTIONS)
    left_out = os.environ.get("SCENARIO_LEAVES_OUT", "").split(",")
    told = [(name, part) for name, part in PARTS.items() if name not in left_out]
    json.dump({name: outcome(part, sandbox) for name, part in told}, sys.stdout)


if __name__ == "__main__":
    main()
