"""Examples that questions give, found as people write them."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.domain.programs import Example
from capibara6.search.examples import EXAMPLES_MAX, found_examples
from capibara6.search.literals import value_at
from capibara6.search.probes import PROBES_MAX, probes
from capibara6.search.signature import Parameter, Signature, signature_of

HEAD = 'def f(x):\n    """Doubles.\n'


@pytest.mark.parametrize(
    ("text", "call", "expected"),
    [
        (">>> f(2)\n    4", "f(2)", "4"),
        (">>> f(2)  # twice\n    4\n    >>> f(3)", "f(2)", "4"),
        (">>> f([1,\n    ...    2])\n    'ab'", "f([1,\n   2])", "'ab'"),
        (">>> f([])\n", "f([])", "None"),
        ("f(2) == 4", "f(2)", "4"),
        ("f(2) = 4", "f(2)", "4"),
        ("f(2) => 4", "f(2)", "4"),
        ("* f(2) ==> 4", "f(2)", "4"),
        ("f(2) ➞ 4", "f(2)", "4"),
        ("f(2) -> 4 # even", "f(2)", "4"),
        ("f(2)   # returns 4", "f(2)", "4"),
        ("For example: f(1) returns 2.", "f(1)", "2"),
        ("f(2) should return 4, and so on", "f(2)", "4"),
        ("por ejemplo, f(2) devuelve 4", "f(2)", "4"),
        ("`f(2)` is `4`", "f(2)", "4"),
        ("f(2) => true", "f(2)", "True"),
        ("f(2) == 1 + 3 + 0 = 4", "f(2)", "4"),
        ("f(abc) => False", "f('abc')", "False"),
        ("f([\n  [1, 2],\n  [3]\n], 1) == [(0, 0)]", "f([   [1, 2],   [3] ], 1)", "[(0, 0)]"),
        ("f('a) (b') == 'c'", "f('a) (b')", "'c'"),
        ("assert f(2) == 4", "f(2)", "4"),
        ('For x = "AB" the output should be 1.', 'f("AB")', "1"),
        ("For x = [1, 2], the sum is 3 the output should be 6", "f([1, 2])", "6"),
        ("Para x = 3 el resultado debe ser 6", "f(3)", "6"),
        ("Input: [4,2]\n    Output: [2, 1]\n    Explanation: none", "f([4,2])", "[2, 1]"),
        ("Input: x = 5\n    Output: 1", "f(5)", "1"),
        ("double(3) => 6", "f(3)", "6"),
    ],
)
def test_an_example_is_found(text: str, call: str, expected: str) -> None:
    assert found_examples(f'{HEAD}    {text}\n    """\n') == (Example(call, expected),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Write a function that sums numbers.",
        "f(2) is 2 apples",
        "f(x) = x + 1",
        "f(2) == ''oops''",
        "f((2) == 4",
        "print(2) == 4",
        "f(2) => g(3)",
    ],
)
def test_what_is_no_example_is_none(text: str) -> None:
    assert found_examples(f'{HEAD}    {text}\n    """\n') == ()


def test_a_question_without_a_definition_gives_its_examples() -> None:
    question = "Write a function called `area` so that area(2, 3) == 6 and area(1, 1) == 1"
    assert found_examples(question) == (Example("area(2, 3)", "6"), Example("area(1, 1)", "1"))


def test_examples_of_a_helper_are_left_out() -> None:
    question = (
        "def g(x):\n    return x\n\ndef f(x):\n    '''\n    >>> f(1)\n    2\n    g(1) == 1\n    '''"
    )
    assert found_examples(question) == (Example("f(1)", "2"),)


@given(st.text(alphabet="f()[]'\"=>1, \n.#:x", max_size=200))
def test_any_text_gives_few_examples_that_are_python(text: str) -> None:
    found = found_examples(HEAD + text)
    assert len(found) <= EXAMPLES_MAX
    for one in found:
        ast.parse(f"({one.call}\n)")
        ast.literal_eval(one.expected)


def test_a_bracket_that_never_closes_ends_soon() -> None:
    assert found_examples(HEAD + "f([" * 10_000) == ()
    assert value_at("[" * 100_000, 0) is None


def test_the_signature_is_the_last_definition() -> None:
    text = "def g(a):\n    return a\n\ndef f(xs: list[int], n: int = 2) -> bool:\n    '''Doc'''"
    assert signature_of(text) == Signature("f", (Parameter("xs", "list[int]"),), "bool")
    assert signature_of("la función `media(x)` de los datos") == Signature("media")
    assert signature_of("What is the mean of the column age?") is None


def test_probes_vary_the_examples_or_follow_the_signature() -> None:
    signature = Signature("f", (Parameter("xs", "List[int]"),))
    varied = probes(signature, [Example("f([1, 2, 3])", "6")])
    assert varied == ("f([3, 2, 1])", "f([1, 2, 3, 1])", "f([2, 3])")
    assert probes(signature, [])[:2] == ("f([])", "f([1])")
    assert probes(Signature("f", (Parameter("word"),)), [])[0] == "f('')"
    assert probes(None, []) == ()
    many = [Example(f"f({number})", "0") for number in range(30)]
    assert len(probes(signature, many)) == PROBES_MAX
