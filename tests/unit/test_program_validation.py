"""Programs before they run: what is certainly wrong is found, and nothing else is."""

import asyncio
import sys
import textwrap

import pytest

from capibara6.domain.programs import Program
from capibara6.validation.processes import run_checker
from capibara6.validation.validator import CODE_CHARS_MAX, ProgramValidator
from support.languages import needs_bash, needs_node

GOOD_PYTHON = {
    "empty": "",
    "trailing expression": "x = 1\nx",
    "top-level await": "import asyncio\nawait asyncio.sleep(0)\n",
    "top-level async for": "async def f():\n    yield 1\nasync for i in f():\n    print(i)\n",
    "top-level async with": "import asyncio\nasync with asyncio.timeout(1):\n    pass\n",
    "line magics": "%pip install pandas\n%matplotlib inline\nx = 1\n",
    "shell": "!ls -la | grep x\nfiles = !ls\nprint(files)\n!!pwd",
    "shell in a block": "if True:\n    !ls\n    %time\n",
    "magic value": "seconds = %timeit -o 1+1\nprint(seconds)\n",
    "cell magic": "%%time\nx = 1\nprint(x)\n",
    "cell magic after blank lines": "\n\n%%time\nx = 1\n",
    "cell of another language": "%%bash\nfor f in *; do echo $f; done\n",
    "html cell": "%%html\n<b>not python</b>\n",
    "help": "x = 1\nx?\nlen??\n?len\n",
    "names of IPython": "display(In, Out, _, __, ___, _1, _i, _ih, _oh)\nget_ipython()\nexit()",
    "automagic install": "pip install pandas",
    "automagic listing": "ls -la",
    "automagic time": "time x = 1",
    "a magic binds": "%time frame = [1]\nprint(frame)\n",
    "a capture binds": "%%capture output\nprint(1)\nprint(output)\n",
    "exec binds": "exec('x = 1')\nprint(x)\n",
    "globals bind": "globals()['x'] = 1\nprint(x)\n",
    "a run binds": "%run other.py\nprint(x)\n",
    "star import": "from math import *\nprint(pi)\n",
    "indented whole": "    x = 1\n    print(x)\n",
    "pasted prompts": ">>> x = 1\n>>> for i in [x]:\n...     print(i)\n",
    "pasted IPython prompts": "In [1]: x = 1\n   ...: print(x)\n",
    "prompts further down": "x = 1\n>>> print(x)\n",
    "forward reference": "def f(x: 'Frame') -> 'Frame | None':\n    return x\n",
    "nested forward reference": "from typing import Optional\nx: Optional['Frame'] = None\n",
    "cast": "from typing import cast\nx = cast('Frame', 1)\n",
    "lazy annotations": (
        "from __future__ import annotations\ndef f(x: Frame) -> Frame:\n    return x\n"
    ),
    "local annotation": "def f():\n    x: Frame = 1\n    return x\n",
    "name tested": "try:\n    unicode\nexcept NameError:\n    unicode = str\n",
    "defined later": "def f():\n    return later\nlater = 1\nprint(f())\n",
    "module names": "print(__name__, __doc__)\n",
    "comprehension": "print([x for x in range(3) if (y := x) > 1], y)\n",
    "match": "match [1, 2]:\n    case [a, *rest]:\n        print(a, rest)\n",
    "accents": "año = 1\nprint('ñandú', año)\n",
    "windows line ends": "x = 1\r\nprint(x)\r\n",
    "form feed and tabs": "\x0cif True:\n\tprint(1)\n",
    "noqa": "x = 1  # noqa\n",
    "semicolon": "x = 1;\nx;",
    "decorated class": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 0\nprint(A())\n"
    ),
    "escaped string": "import re\nprint(re.sub('\\d', '', 'a1'))\n",
    "global in a function": "def f():\n    global total\n    total = 1\nf()\nprint(total)\n",
}

BAD_PYTHON = [
    # program, code, line, column, suggestion
    ("print(1", "E999", 1, 8, ""),
    ("x = 1\nif x\n    print(x)\n", "E999", 2, 5, ""),
    ("x = = 1", "E999", 1, 5, ""),
    ("Here is the program:\nprint(1)", "E999", 1, 13, ""),
    ("def f():\nprint(1)\n", "E999", 2, 1, ""),
    ("print('a)\n", "E999", 1, 7, ""),
    ("return 1\n", "F706", 1, 1, ""),
    ("def f():\n    await g()\ndef g():\n    pass\n", "PLE1142", 2, 5, ""),
    ("break\n", "F701", 1, 1, ""),
    ("yield 1\n", "F704", 1, 1, ""),
    ("def f():\n    x = 1\n    global x\n", "PLE0118", 2, 5, ""),
    ("total = 1\nprint(totl)\n", "F821", 2, 7, "total"),
    ("print(pd.DataFrame())\n", "F821", 1, 7, "import pandas as pd"),
    ("x = json.loads('1')\n", "F821", 1, 5, "import json"),
    ("c = Counter('aab')\n", "F821", 1, 5, "from collections import Counter"),
    ("prnt(1)\n", "F821", 1, 1, "print"),
    ("print(f'{totl}')\n", "F821", 1, 10, ""),
    ("print(f'{totl}')  # noqa: F821\n", "F821", 1, 10, ""),
    ("# ruff: noqa\nprint(totl)\n", "F821", 2, 7, ""),
    ("%matplotlib inline\nplt.show()\n", "F821", 2, 1, "import matplotlib.pyplot as plt"),
    ("%pip install numpy\nnumpy.array([1])\n", "F821", 2, 1, "import numpy"),
    ("%%time\nprint(totl)\n", "F821", 2, 7, ""),
    ("'ñ'; x = totl\n", "F821", 1, 10, ""),
    ("try:\n    print(totl)\nexcept ValueError:\n    pass\n", "F821", 2, 11, ""),
    ("    x = 1\n    print(y)\n", "F821", 2, 11, ""),
    (">>> x = 1\n>>> print(zz)\n", "F821", 2, 11, ""),
    ("def f(x: Frame):\n    return x\n", "F821", 1, 10, ""),
    ("x = 1\ndef f():\n    x += 1\n    return x\nf()\n", "F823", 3, 5, ""),
]


@pytest.fixture(scope="module")
def validator() -> ProgramValidator:
    return ProgramValidator(python=(3, 11))


@pytest.mark.parametrize("code", GOOD_PYTHON.values(), ids=GOOD_PYTHON)
async def test_a_good_python_program_passes(validator: ProgramValidator, code: str) -> None:
    assert await validator.validate(Program(code)) == ()


@pytest.mark.parametrize(("code", "rule", "line", "column", "suggestion"), BAD_PYTHON)
async def test_what_is_wrong_with_python_is_found(
    validator: ProgramValidator, code: str, rule: str, line: int, column: int, suggestion: str
) -> None:
    findings = await validator.validate(Program(code))
    assert [(f.code, f.line, f.column, f.suggestion) for f in findings] == [
        (rule, line, column, suggestion)
    ]


async def test_the_sandboxes_python_decides_what_is_syntax() -> None:
    newer = Program("type Pair = tuple[int, int]\nprint(f'{'a'}')\n")
    assert await ProgramValidator(python=(3, 11)).validate(newer)
    assert await ProgramValidator(python=(3, 13)).validate(newer) == ()
    assert await ProgramValidator(python=(3, 99)).validate(newer) == ()


async def test_unevaluated_annotations_of_newer_pythons_pass() -> None:
    program = Program("def f(x: Frame):\n    return x\n")
    assert await ProgramValidator(python=(3, 13)).validate(program)
    assert await ProgramValidator(python=(3, 14)).validate(program) == ()


async def test_many_faults_are_told_up_to_a_limit(validator: ProgramValidator) -> None:
    findings = await validator.validate(Program("".join(f"print(x{n})\n" for n in range(5_000))))
    assert len(findings) == 20


@pytest.mark.parametrize(
    "code",
    [
        "(" * 5_000,
        "x = " + "-" * 3_000 + "1",
        "\x00",
        "a\x00b\n",
        "\ud800 = 1\n",
        "x" * CODE_CHARS_MAX,
        "é" * 100_000,
        "if 1:\n" * 200,
    ],
)
async def test_odd_texts_end_in_findings_or_none(validator: ProgramValidator, code: str) -> None:
    assert isinstance(await validator.validate(Program(code)), tuple)


async def test_unchecked_languages_and_lengths_pass(validator: ProgramValidator) -> None:
    assert await validator.validate(Program("nonsense {", "r")) == ()
    assert await validator.validate(Program("(" * (CODE_CHARS_MAX + 1))) == ()


GOOD_JAVASCRIPT = [
    "const x = 1\nx",
    "const fs = require('fs'); with (x) {}; await 3",
    "import fs from 'fs'\nawait fs.promises.readFile('x')",
    "for await (const x of y) console.log(x)",
    "// only a comment",
    "%%time\nx",
]


@needs_node
@pytest.mark.parametrize("code", GOOD_JAVASCRIPT)
async def test_good_javascript_passes(validator: ProgramValidator, code: str) -> None:
    assert await validator.validate(Program(code, "javascript")) == ()


@needs_node
async def test_a_syntax_error_of_javascript_is_found(validator: ProgramValidator) -> None:
    (finding,) = await validator.validate(Program("let a = 1\nconst x = ;\n", "javascript"))
    assert (finding.code, finding.line, finding.column) == ("syntax", 2, 11)
    assert finding.message == "SyntaxError: Unexpected token ';'"


@needs_bash
async def test_bash_is_checked_without_running(validator: ProgramValidator) -> None:
    good = 'shopt -s extglob\nls !(a|b)\nfor f in *; do echo "$f"; done\ncat <<X\nhi\nX\n'
    assert await validator.validate(Program(good, "bash")) == ()
    (finding,) = await validator.validate(Program("echo a\nif true; then\necho b\n", "bash"))
    assert finding.line == 4
    assert "unexpected end of file" in finding.message


async def test_a_checker_that_takes_too_long_is_stopped() -> None:
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    output = await run_checker(command, "x" * 1_000_000, 0.3)
    assert output.returncode < 0


async def test_a_checker_that_says_too_much_is_stopped() -> None:
    talk = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    output = await run_checker((sys.executable, "-c", talk), "", 30)
    assert output.returncode < 0
    assert len(output.stdout) <= 512 * 1024


async def test_cancelling_a_check_kills_the_checker(tmp_path: object) -> None:
    talk = "import os, time; os.write(1, b'x'); time.sleep(60)"
    task = asyncio.create_task(run_checker((sys.executable, "-c", talk), "", 60))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task  # run_checker waits for the killed process before it gives way


async def test_a_checker_sees_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("E2B_API_KEY", "secret")
    show = textwrap.dedent("import os; print(sorted(os.environ))")
    output = await run_checker((sys.executable, "-c", show), "", 30)
    assert "E2B_API_KEY" not in output.stdout
