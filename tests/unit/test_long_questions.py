"""No question, however long and odd, keeps the platform from others: what reads it is linear.

The marks' timeouts are not measurements: what is not linear takes a minute for one of these.
"""

import random
import re

import pytest

from capibara6.intake import QUESTION_CHARACTERS_MAX
from capibara6.language.prose import called, parted
from capibara6.routing.kinds import KINDS, kinds
from capibara6.routing.structure import _SENTENCE, outline
from capibara6.search.examples import found_examples

PIECES = (
    "\n", " ", "x\n\n", "_", "a1", ".", "?!", "(", "[1, ", '"', "'", "`", "$ ", "= ", "1,", "\\",
    "- ", "a ", ">>> f(1)\n2\n", "f(1) -> 2, ", "assert f(1) == 2\n", "For x(1) ", "```python\n",
)  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("end", ["", "x", "("])
@pytest.mark.parametrize("piece", PIECES)
def test_what_reads_a_question_reads_it_once(piece: str, end: str) -> None:
    text = piece * (QUESTION_CHARACTERS_MAX // len(piece) - 1) + end
    for read in (kinds, outline, parted, called, found_examples):
        read(text)


def test_sentences_end_where_they_did() -> None:
    plain = re.compile(r"[.!?¿¡]+(?:\s|$)|\n+")
    dice = random.Random(1)
    for _ in range(2_000):
        text = "".join(dice.choices("ab1 .!?¿\n\t", k=12))
        assert _SENTENCE.split(text) == plain.split(text)


def test_choices_are_seen_as_they_were() -> None:
    choice = KINDS.index("choice")
    for text in ("x\nB) y", "B. y", "x\n\n  (C) y", "x\r\n\t D) y", "\n\nB) y"):
        assert kinds(text)[choice], text
    for text in ("x B) y", "x\nE) y", "x\nB)y"):
        assert not kinds(text)[choice], text


def test_names_that_are_called() -> None:
    assert called("foo(bar(1), _x2(3), y(4)) año(5) ñu(6) 7(8)") == "foo bar _x2 año ñu"
