"""Prose parted from examples of code."""

import pytest

from capibara6.language.prose import called, parted, without_lists
from capibara6.language.similarity import SimilarityIndex


@pytest.mark.parametrize(
    ("text", "prose", "names"),
    [
        (
            "Add them.\n>>> add(2, 3)\n5\n\nBoth are whole.",
            "Add them.\n\n\n\nBoth are whole.",
            "add",
        ),
        ("Split it.\nwords('Hi, I am') == ['Hi']", "Split it.\n\n", "words"),
        ("Sum of digits.\nFor lst = [0, 3] the output is 3", "Sum of digits.\n\n", ""),
        ("The mean (of all) is 3.", "The mean (of all) is 3.", ""),
        ("", "", ""),
    ],
)
def test_examples_are_parted_from_what_is_said(text: str, prose: str, names: str) -> None:
    said, examples = parted(text)
    assert (said, called(examples)) == (prose, names)


def test_numbers_of_lists_are_left_out() -> None:
    assert without_lists("the largest of [3, 1] and 7") == ("the largest of   and 7", "[3, 1]")


def test_long_lines_of_signs_take_no_time() -> None:
    assert parted("(" * 8_000)[1] == ""
    assert parted("x(" * 4_000)[1] == ""
    assert without_lists("[" * 8_000)[1] == ""


def test_the_other_language_is_found_in_spite_of_examples() -> None:
    index: SimilarityIndex[str] = SimilarityIndex()
    index.put("prime", "Devuelve verdadero si un número dado es primo.")
    index.put("string", "Dado un string, devuelve 13441 o 61 según sus letras: f([6, 101, 61]).")
    index.put("sum", "Devuelve la suma de 6 y 101.")
    query = "Return true if a given number is prime.\n>>> prime_string(101)\nTrue\n>>> f(6)\nFalse"
    assert index.closest(query, 1)[0][0] == "prime"
