"""Functions to complete: what of a weak model's answer is taken for its program."""

import pytest

from capibara6.codegen.functions import function_program, is_answered, messages

PROMPT = (
    "from typing import List\n\n\ndef double(n: int) -> int:\n    return n + n\n\n\n"
    'def total(numbers: List[int]) -> int:\n    """ Sum.\n    >>> total([1, 2])\n    3\n    """\n'
)
WHOLE = "def total(numbers):\n    return sum(numbers)\n"
OTHER = WHOLE.replace("sum", "max")
ANSWERS = {
    "a block": f"Here it is:\n```python\n{WHOLE}```\nIt adds up.",
    "no fence": f"Sure!\n\n{WHOLE}",
    "no fence, then prose": f"{WHOLE}\nThis function adds the numbers up, as you asked.",
    "an open fence": f"```python\n{WHOLE}",
    "examples behind it": f"```python\n{WHOLE}\nprint(total([1]))\nassert total([1]) == 7\n```",
    "input behind it": f"```python\n{WHOLE}\nif __name__ == '__main__':\n    total(input())\n```",
    "again and again": f"```python\n{WHOLE}\n{WHOLE}\n{WHOLE}\ndef total(numbers",
    "cut off in a second function": f"```python\n{WHOLE}\ndef other(a):\n    for b in",
    "another version later": f"```python\n{WHOLE}```\nOr:\n```python\n{OTHER}```",
    "a call first": f"```python\nimport math\n```\n```python\n{WHOLE}```",
    "the body alone": "```python\n    return sum(numbers)\n```",
    "the body alone, not indented": "```python\nreturn sum(numbers)\n```",
    "thoughts": f"<think>def total(n): return 0</think>\n```python\n{WHOLE}```",
    "Windows": f"```python\n{WHOLE}```".replace("\n", "\r\n"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_the_function_of_an_answer(answer: str) -> None:
    program = function_program(PROMPT, "total", answer)
    assert program is not None
    names: dict[str, object] = {}
    exec(program, names)
    assert names["total"]([1, 2]) == 3  # type: ignore[operator]
    assert names["double"](2) == 4, "what the prompt defines is there too"  # type: ignore[operator]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        "```python\n```",
        "```python\ndef other():\n    pass\n```",
        "```\n???",
    ],
)
def test_an_answer_without_the_function(answer: str) -> None:
    assert function_program(PROMPT, "total", answer) is None


def test_a_whole_program_where_no_function_is_named() -> None:
    assert function_program("Print 1.", "", "```python\nprint(1)\n```") == "print(1)\n"
    assert function_program("Print 1.", "", "I will not.") is None


def test_an_answer_is_whole_when_the_block_with_the_function_is_closed() -> None:
    assert is_answered("total", f"```python\n{WHOLE}```\n")
    assert not is_answered("total", f"```python\n{WHOLE}")
    assert not is_answered("total", "```python\ntotal = 1\n```\n")
    assert not is_answered("", f"```python\n{WHOLE}```\n")


def test_a_repair_shows_the_program_and_its_error_and_no_more() -> None:
    asked, answer, complaint = messages(PROMPT, "total", "es", (), (WHOLE, "ZeroDivisionError: x"))
    assert "Completa esta función" in asked["content"]
    assert WHOLE.strip() in answer["content"]
    assert "ZeroDivisionError" in complaint["content"]
    assert [one["role"] for one in messages(PROMPT, "", "fr")] == ["user"]
