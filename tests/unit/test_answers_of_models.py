"""The program in a model's answer is found, whatever stands around it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.codegen.answer import extract_program, without_thoughts
from capibara6.codegen.blocks import fenced_blocks
from capibara6.codegen.runaway import WINDOW_CHARS, is_runaway

READ = "import pandas as pd\nfilms = pd.read_csv('films.csv')\n"
MEAN = "import pandas as pd\nfilms = pd.read_csv('films.csv')\nprint(films['Rating'].mean())\n"


def fenced(code: str, tag: str = "python", fence: str = "```") -> str:
    return f"{fence}{tag}\n{code.rstrip()}\n{fence}\n"


def code_of(answer: str) -> str | None:
    found = extract_program(answer)
    return found.code if found else None


@pytest.mark.parametrize(
    "answer",
    [
        fenced(MEAN),
        fenced(MEAN, "Python"),
        fenced(MEAN, "py"),
        fenced(MEAN, "{python}"),
        fenced(MEAN, 'python title="x.py"'),
        fenced(MEAN, ""),
        fenced(MEAN, "python", "~~~"),
        fenced(MEAN, "python", "````"),
        f"¡Claro! Aquí está:\n\n{fenced(MEAN)}\nEsto calcula la media.",
        fenced(MEAN).replace("\n", "\r\n"),
        f"1. Ejecuta:\n\n    {fenced(MEAN).replace(chr(10), chr(10) + '    ')}",
        f"```python\n{MEAN.rstrip()}```\nDone.",
        f"```python\n{MEAN}",  # the closing fence forgotten
        MEAN,
        f"Here is the program:\n\n{MEAN}\nThis prints the mean rating.",
        f"<think>```python\nprint('draft')\n```</think>\n{fenced(MEAN)}",
        f"I should read it first. </think>\n{fenced(MEAN)}",
        f"<think>a</think><think>b</think>{fenced(MEAN)}",
        f"{fenced('pip install pandas', 'bash')}\nThen:\n{fenced(MEAN)}",
        f"{fenced(MEAN)}\nIt prints:\n{fenced('6.1', 'text')}",
        f"{fenced(MEAN)}\nSample output:\n{fenced('6.1', '')}",
        f"The line was:\n{fenced('films.mean()')}\nThe whole program:\n{fenced(MEAN)}",
        f"{fenced(MEAN)}\nTo round it:\n{fenced('round(3.14159, 2)')}",
        f"It was:\n{fenced(MEAN.replace('Rating', 'Note'))}\nNow:\n{fenced(MEAN)}",
        fenced('{"a": 1}', "json") + fenced(MEAN),
        f"{fenced('def broken(:')}{fenced(MEAN)}",
    ],
)
def test_the_program_is_found(answer: str) -> None:
    found = extract_program(answer)
    assert found is not None
    assert found.code == MEAN
    assert found.language == "python"


def test_steps_are_joined() -> None:
    answer = f"First:\n{fenced(READ)}Then:\n{fenced('print(films.Rating.mean())')}"
    assert code_of(answer) == READ.rstrip() + "\n\nprint(films.Rating.mean())\n"


def test_steps_with_magics_are_joined() -> None:
    answer = f"{fenced('%matplotlib inline' + chr(10) + READ)}{fenced('films.plot()')}"
    assert "films.plot()" in (code_of(answer) or "")


def test_the_last_of_two_versions_counts() -> None:
    other = MEAN.replace("mean", "median")
    assert code_of(f"{fenced(MEAN)}Or:\n{fenced(other)}") == other


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   \n",
        "Lo siento, no puedo.",
        "42",
        "ok",
        "Title, Year",
        fenced("", "python"),
        fenced("a,b\n1,2", "csv"),
        fenced('{"a": 1}', "json"),
        fenced("pip install pandas\n# done", "bash"),
        fenced("$ pip3 install x", "console"),
        "<think>import os\nprint(os.name)",
        "import the data and then plot it, please",
        "asdf ;;; {{{",
    ],
)
def test_no_program_is_found_where_there_is_none(answer: str) -> None:
    assert extract_program(answer) is None


@pytest.mark.parametrize(
    ("tag", "code", "language"),
    [("js", "console.log(1)\n", "javascript"), ("bash", "ls -la\n", "bash")],
)
def test_other_languages_are_named(tag: str, code: str, language: str) -> None:
    found = extract_program(fenced(code, tag))
    assert found is not None
    assert (found.code, found.language) == (code, language)


def test_an_open_block_is_incomplete() -> None:
    found = extract_program("```python\nprint(1)")
    assert found is not None
    assert not found.complete
    complete = extract_program(fenced("print(1)\n"))
    assert complete is not None
    assert complete.complete


CODE_LINES = st.lists(
    st.sampled_from(["x = 1", "print('á')", "if x:", "    y = `z`", "", "# `` tick", '"""', "\t"]),
    min_size=1,
)
PROSE = st.text(st.sampled_from(string.ascii_letters + " áñ¿.,\n"), max_size=80)


@given(PROSE, CODE_LINES, PROSE, st.sampled_from(["```", "~~~", "`````"]))
def test_a_fenced_block_comes_back_as_it_was(
    before: str, lines: list[str], after: str, fence: str
) -> None:
    lines = ["start = 0", *lines]
    text = f"{before}\n{fence}python\n" + "\n".join(lines) + f"\n{fence}\n{after}"
    (block,) = fenced_blocks(text)
    assert block.closed
    assert [line.rstrip() for line in block.code.split("\n")] == [line.rstrip() for line in lines]


@given(st.text(st.sampled_from("`~\n python<think></think>x=1('){}\\ \r%!?#"), max_size=300))
def test_any_text_ends_in_a_program_or_none(text: str) -> None:
    found = extract_program(text)
    assert found is None or found.code.endswith("\n")


@given(st.text(max_size=200), st.text(max_size=200))
def test_thoughts_are_left_out(thought: str, answer: str) -> None:
    thought, answer = thought.replace("<", ""), answer.replace("<", "")
    assert without_thoughts(f"<think>{thought}</think>{answer}") == answer


def test_hostile_answers_are_read_in_a_moment() -> None:
    for piece in ("`", "(", " ", "<think>", "import x ", "import x\n\n", "> "):
        extract_program(piece * (200_000 // len(piece)))
    extract_program("```python\n" + "x = 1\n\n" * 20_000 + "(")
    extract_program("".join(fenced(f"x{n} = 1") for n in range(200)))


@given(st.text(min_size=1, max_size=300))
def test_repetition_is_noticed(piece: str) -> None:
    assert is_runaway(piece * (WINDOW_CHARS // len(piece) + 2))


def test_ordinary_long_answers_are_no_repetition() -> None:
    numbers = "\n".join(f"value_{number} = {number**2}" for number in range(500))
    assert not is_runaway(numbers)
    assert not is_runaway("short " * 3)
    assert not is_runaway("x" * (WINDOW_CHARS - 1))
    row = "[" + "0, " * 1000 + "0]\n"
    assert not is_runaway(row + "def f():\n    return 1\n" + "y = 2")
