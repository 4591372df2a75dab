"""The JavaScript kernel, with a real Node.js."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capibara6_guest.kernels.javascript import JavaScriptKernel
from kernel_session import (
    Cell,
    current_user,
    open_fds,
    processes_with,
    run,
    run_and_interrupt,
    slowly,
)
from support.languages import needs_node

pytestmark = needs_node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[JavaScriptKernel]:
    kernel = JavaScriptKernel(current_user(), str(tmp_path), dict(os.environ))
    yield kernel
    await kernel.stop()


def error_of(cell: Cell) -> dict[str, str]:
    assert cell.error is not None
    return cell.error


async def test_declarations_live_on_and_may_be_repeated(node: JavaScriptKernel) -> None:
    await run(node, "const a = 1; let b = 2; class C { get c() { return 3 } }; function d() {}")
    await run(node, "const a = 10; class C { get c() { return 30 } }")
    cell = await run(node, "a + b + new C().c + typeof d")
    assert cell.text == "42function"
    assert cell.count == 3


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1 + 1", "2"),
        ("'it is \"text\"\\n'", 'it is "text"\n'),
        ("({a: 1, b: [2]})", "{ a: 1, b: [ 2 ] }"),
        ("{a: 1, b: 2}", "{ a: 1, b: 2 }"),
        ("{ let z = 3; z }", "3"),
        ("await Promise.resolve('Hello World!')", "Hello World!"),
        ("Promise.resolve(7)", "7"),
        ("const p = await Promise.resolve(7); p + 1", "8"),
        ("10n", "10n"),
        ("null", "null"),
        ("undefined", None),
        ("NaN", "NaN"),
        ("-0", "-0"),
        ("Symbol('s')", "Symbol(s)"),
        ("new Map([[1, {}]])", "Map(1) { 1 => {} }"),
        ("'ñ日本😀'", "ñ日本😀"),
        ("if (true) { 5 }", "5"),
        ("1 // comment", "1"),
        ("", None),
    ],
)
async def test_the_last_value_is_the_main_result(
    node: JavaScriptKernel, code: str, text: str | None
) -> None:
    cell = await run(node, code)
    assert cell.text == text
    assert cell.error is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import { readFileSync } from 'fs'\ntypeof readFileSync", "function"),
        ("import os from 'node:os'; os.EOL", "\n"),
        ('import * as p from "path";\np.sep', "/"),
        ("import os, { EOL as e,\n  platform } from 'node:os'\n[typeof os, e, platform()]", None),
        ("import './side.mjs'; globalThis.side", "effect"),
        ("import { one } from './lib.mjs'; one", "1"),
        ("(await import('./lib.mjs')).one", "1"),
        ("`${(await import('./lib.mjs')).one} import('x')`", "1 import('x')"),
        ("const t = `\nimport x from 'y'\n`; t.length", "19"),
        ("/import('x')/.source.length / 2", "5.5"),
        ("const o = { import: 4 }; o.import", "4"),
        ("// import x from 'y'\n/* import('z') */ 5", "5"),
        ("export const kept = 6; kept", "6"),
        ("require('./old.cjs').two", "2"),
    ],
)
async def test_modules(node: JavaScriptKernel, code: str, text: str | None) -> None:
    for name, content in (
        ("side.mjs", "globalThis.side = 'effect'"),
        ("lib.mjs", "export const one = 1"),
        ("old.cjs", "exports.two = 2"),
    ):
        with open(f"{node._cwd}/{name}", "w") as file:  # noqa: ASYNC230
            file.write(content)
    cell = await run(node, code)
    assert cell.error is None
    assert text in (None, cell.text)


async def test_output_is_streamed_and_separate(node: JavaScriptKernel) -> None:
    code = """
    console.log('first'); console.error('wrong');
    const fs = require('fs');
    while (!fs.existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 10));
    console.log('second');
    """
    seen = []
    async for event in node.execute(code, {}):
        if event["type"] in ("stdout", "stderr"):
            seen.append((event["type"], event["text"]))
        if event.get("text") == "first\n":
            os.mkdir(f"{node._cwd}/go")
    # Two pipes have no common order; each has its own.
    assert [text for stream, text in seen if stream == "stdout"] == ["first\n", "second\n"]
    assert [text for stream, text in seen if stream == "stderr"] == ["wrong\n"]


@pytest.mark.parametrize(
    ("code", "name", "value", "place"),
    [
        ("throw new TypeError('bad')", "TypeError", "bad", "In[1]:1:7"),
        ("function f() {\n  nope }\nf()", "ReferenceError", "nope is not defined", "f (In[1]:2:3)"),
        ("let x = = 3", "SyntaxError", "Unexpected token '='", "In[1]:1:9"),
        ("foo(", "SyntaxError", "Unexpected end of input", ""),
        ("throw 5", "number", "5", ""),
        ("await Promise.reject(new RangeError('r'))", "RangeError", "r", "In[1]:1:22"),
        ("Promise.reject(new Error('r'))", "Error", "r", "In[1]:1:16"),
    ],
)
async def test_errors(node: JavaScriptKernel, code: str, name: str, value: str, place: str) -> None:
    error = error_of(await run(node, code))
    assert (error["name"], error["value"]) == (name, value)
    assert place in error["traceback"]
    assert "javascript_kernel" not in error["traceback"]
    assert (await run(node, "'on'")).text == "on"


async def test_displays(node: JavaScriptKernel) -> None:
    code = """
    display({'text/html': '<b>', 'application/x-own': {a: 1}}, {raw: true});
    $$.png('cG5n');
    display([1]);
    ({[Symbol.for('Jupyter.display')]: async () => ({
      'text/plain': 'p', 'image/png': new Uint8Array([1, 2]), 'application/json': {b: [2]} })})
    """
    results = (await run(node, code)).results
    assert [result["is_main_result"] for result in results] == [False, False, False, True]
    assert (results[0]["html"], results[0]["extra"]) == ("<b>", {"application/x-own": {"a": 1}})
    assert results[1]["png"] == "cG5n"
    assert results[2]["text"] == "[ 1 ]"
    assert (results[3]["text"], results[3]["png"]) == ("p", "AQI=")
    assert results[3]["json"] == {"b": [2]}
    cell = await run(node, "({ _toHtml() { return '<i>' } })")
    assert cell.results[0]["html"] == "<i>"


async def test_it_starts_in_its_directory_with_its_environment(node: JavaScriptKernel) -> None:
    assert (await run(node, "process.cwd()")).text == node._cwd


async def test_variables_of_one_call_are_undone(node: JavaScriptKernel) -> None:
    await run(node, "process.env.GLOBAL = 'g'")
    env = {"GLOBAL": "changed", "ONCE": "o"}
    cell = await run(node, "`${process.env.GLOBAL} ${process.env.ONCE}`", env)
    assert cell.text == "changed o"
    cell = await run(node, "`${process.env.GLOBAL} ${process.env.ONCE}`")
    assert cell.text == "g undefined"


@pytest.mark.parametrize(
    "endless",
    [
        "while (true) {}",
        "await new Promise(() => {})",
        "await 1; while (true) {}",
        "import fs from 'fs'; while (true) {}",
        "while (true) console.log('more')",
    ],
)
async def test_an_interrupt_ends_the_cell_and_keeps_the_state(
    node: JavaScriptKernel, endless: str
) -> None:
    await run(node, "const kept = 'yes'")
    cell = await run_and_interrupt(node, f"console.log('begun'); {endless}", "begun")
    assert error_of(cell)["name"] == "KeyboardInterrupt"
    assert (await run(node, "kept")).text == "yes"


async def test_interrupts_at_any_moment_leave_the_kernel_usable(node: JavaScriptKernel) -> None:
    moments = random.Random(6)
    await run(node, "let kept = 'yes'")
    for _ in range(30):
        running = asyncio.create_task(run(node, "for (let i = 0; i < 3; i++) console.log(i)"))
        await asyncio.sleep(moments.random() * 0.004)
        await node.interrupt()
        await running
        assert (await run(node, "kept")).text == "yes"


async def test_a_signal_at_any_moment_does_not_end_the_process(node: JavaScriptKernel) -> None:
    """Node.js has no handler of its own while it changes it, before and after each cell."""
    await run(node, "let kept = 'yes'")
    signalling = asyncio.create_task(signal_on_and_on(node))
    for _ in range(100):
        await run(node, "1")
    signalling.cancel()
    await run(node, "await 1")  # which the last signal may still meet
    assert (await run(node, "await 1; kept")).text == "yes"


async def signal_on_and_on(node: JavaScriptKernel) -> None:
    assert node._process is not None
    while True:
        node._signal_programs(node._process.pid)
        await asyncio.sleep(0.0002)


async def test_further_interrupts_reach_what_a_cell_has_started(node: JavaScriptKernel) -> None:
    """Node.js takes one at a time, but a program may take no notice of its first."""
    await run(node, "const kept = 'yes'")
    program = "trap 'n=x$n; [ $n = xx ] && exit' INT; echo begun; while :; do sleep 0.02; done"
    arguments = json.dumps(["-c", program])
    code = f"require('child_process').spawnSync('bash', {arguments}, {{stdio: 'inherit'}})"
    cell = await run_and_interrupt(node, code, "begun")
    assert error_of(cell)["name"] == "KeyboardInterrupt"
    assert (await run(node, "kept")).text == "yes"


async def test_late_failures_and_output_come_with_the_next_cell(node: JavaScriptKernel) -> None:
    code = """
    setTimeout(() => { throw new Error('late') }, 1);
    setTimeout(() => Promise.reject(new Error('later')), 2);
    setTimeout(() => console.log('tick'), 3);
    'now'"""
    first = await run(node, code)
    second = await run(node, "await new Promise((resolve) => setTimeout(resolve, 50)); 'then'")
    assert (first.text, second.text) == ("now", "then")
    assert first.stdout + second.stdout == "tick\n"
    assert "Error: late\n" in first.stderr + second.stderr
    assert "Error: later\n" in first.stderr + second.stderr


async def test_process_exit_ends_the_cell_only(node: JavaScriptKernel) -> None:
    await run(node, "const kept = 'yes'")
    cell = await run(node, "console.log('before'); process.exit(3); console.log('after')")
    assert error_of(cell)["name"] == "SystemExit"
    assert cell.stdout == "before\n"
    assert (await run(node, "kept")).text == "yes"


async def test_children_inherit_no_channel(node: JavaScriptKernel) -> None:
    code = "require('child_process').execSync('ls /proc/self/fd').toString().split('\\n').join(' ')"
    assert (await run(node, code)).text == "0 1 2 3 "  # 3 is what ls reads the directory with


async def test_ten_megabytes_for_a_slow_consumer(node: JavaScriptKernel) -> None:
    code = "for (let i = 0; i < 100; i++) process.stdout.write('x'.repeat(100000)); 'done'"
    assert await slowly(node, code, 0.001) == 10_000_000


async def test_a_result_that_is_too_large_is_cut_and_said_so(node: JavaScriptKernel) -> None:
    cell = await run(node, "'x'.repeat(2e7)")
    assert cell.text is not None
    assert 1_000_000 < len(cell.text) < 2e7
    assert "too large" in cell.stderr


async def test_the_death_of_the_process_is_told(node: JavaScriptKernel) -> None:
    cell = await run(node, "console.log('last'); process.kill(process.pid, 'SIGKILL')")
    assert cell.stdout == "last\n"
    assert error_of(cell)["name"] == "KernelDied"
    assert "SIGKILL" in error_of(cell)["value"]
    assert not node.alive


async def test_node_missing_is_named(tmp_path: Path) -> None:
    before = open_fds()
    kernel = JavaScriptKernel(current_user(), str(tmp_path), {"PATH": str(tmp_path)})
    assert "Node.js is not installed" in error_of(await run(kernel, "1"))["value"]
    assert not kernel.alive
    assert open_fds() == before


async def test_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    before = open_fds()
    kernel = JavaScriptKernel(current_user(), str(tmp_path), dict(os.environ))
    mark = f"{32_000_000 + os.getpid()}"
    code = (
        f"for (const detached of [true, false]) "
        f"require('child_process').spawn('sleep', ['{mark}'], {{detached}}); 1"
    )
    await run(kernel, code)
    while len(processes_with(mark)) < 2:  # noqa: ASYNC110 - other processes start
        await asyncio.sleep(0.01)
    await kernel.stop()
    await kernel.stop()
    assert processes_with(mark) == []
    assert open_fds() == before
