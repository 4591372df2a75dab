"""Which candidate is kept, on what ground, and when that is settled."""

import subprocess
import sys

import pytest

from capibara6.domain.programs import Example
from capibara6.search.choice import Ground, Tried, choose, settled
from capibara6.search.examination import Examined, Finding, Inquiry, cell, examined, inquiry

QUESTION = "def double(x: int) -> int:\n    '''\n    >>> double(2)\n    4\n    '''"
RIGHT, WRONG = "def double(x):\n    return 2 * x", "def double(x):\n    return x * x + 1"
SQUARE = "def double(x):\n    return x ** 2"


def found(code: str, asked: Inquiry, whole_s: float = 15.0) -> Examined:
    """What a candidate is found to do, by the cell in a plain Python."""
    made = cell(code, asked, whole_s)
    done = subprocess.run(
        [sys.executable, "-c", made], capture_output=True, text=True, timeout=60, check=False
    )
    return examined(done.stdout)


def test_the_candidate_that_holds_the_examples_is_kept() -> None:
    asked = inquiry(QUESTION)
    tried = [Tried(ran=True, examined=found(code, asked)) for code in (WRONG, RIGHT, WRONG)]
    choice = choose(asked, tried)
    assert (choice.best, choice.kept, choice.ground) == (1, True, Ground.EXAMPLES)
    assert [one.examples_held for one in choice.standings] == [0, 1, 0]


def test_agreement_tells_apart_what_the_examples_do_not() -> None:
    asked = inquiry(QUESTION)
    tried = [Tried(ran=True, examined=found(code, asked)) for code in (SQUARE, RIGHT, RIGHT)]
    assert choose(asked, tried).best == 1


def test_less_than_a_vote_decides_nothing() -> None:
    asked = Inquiry((), probes=("f(1)", "f(2)"))

    def gave(*digests: str) -> Tried:
        values = {n: Finding(type="int", digest=one) for n, one in enumerate(digests)}
        return Tried(ran=True, examined=Examined(probes=values))

    choice = choose(asked, [gave("a", "b"), gave("c", "d"), gave("c", "e")])
    assert [one.agreement for one in choice.standings] == [0, 0.25, 0.25]
    assert (choice.best, choice.ground) == (0, Ground.CHEAPEST)


def test_tests_of_the_user_go_before_examples_of_the_question() -> None:
    asked = inquiry(QUESTION, [Example("double(3)", "9")])
    tried = [Tried(ran=True, examined=found(code, asked)) for code in (RIGHT, SQUARE)]
    choice = choose(asked, tried)
    assert (choice.best, choice.kept, choice.ground) == (1, True, Ground.TESTS)
    tests = inquiry(QUESTION, tests="assert double(5) == 11")
    neither = choose(tests, [Tried(ran=True, examined=found(c, tests)) for c in (RIGHT, SQUARE)])
    assert (neither.kept, neither.ground) == (False, Ground.NONE)


def test_what_hangs_ends_raises_or_floods_is_an_error_and_loses_no_other_check() -> None:
    calls = ["hang()", "leave()", "shout()", "missing()", "fine()"]
    asked = Inquiry(tuple(Example(call, "1") for call in calls))
    code = (
        "import sys\n"
        "def hang():\n    while True:\n        try:\n            pass\n        except Exception:\n"
        "            pass\n"
        "def leave():\n    sys.exit(3)\n"
        "def shout():\n    print('x' * 100_000)\n    return 1\n"
        "def fine():\n    return 1\n"
    )
    checks = found(code, asked).examples
    assert [checks[n].error for n in range(5)] == ["TooSlow", "SystemExit", "", "NameError", ""]
    assert checks[2].holds
    assert checks[4].holds


def test_no_check_is_begun_after_the_time_for_all() -> None:
    asked = Inquiry(tuple(Example("hang()", str(n)) for n in range(5)))
    checks = found("def hang():\n    while True: pass", asked, whole_s=0.5).examples
    assert {one.error for one in checks.values()} == {"TooSlow"}
    assert sum(one.message == "no time was left" for one in checks.values()) == 4


@pytest.mark.parametrize(
    "line",
    ["", "{}", "null", "[", '{"kind": 1}', '{"kind": "example", "number": "x"}', "[" * 5_000],
)
def test_what_is_not_of_the_form_is_passed_over(line: str) -> None:
    assert examined(f"hello\ncapibara6-examined {line}\n") == Examined()


def test_answers_are_compared_by_their_numbers() -> None:
    said = ["The mean is 3.14159.", "It is 2.7", "mean: 3.1416", "3.142 is the mean"]
    choice = choose(Inquiry(), [Tried(ran=True, shown=text) for text in said])
    assert (choice.best, choice.ground) == (0, Ground.AGREEMENT)
    assert choice.standings[1].agreement == 0


@pytest.mark.parametrize(
    ("shown", "ground"),
    [("789", Ground.CHEAPEST), ("777", Ground.AGREEMENT), ("778", Ground.AGREEMENT)],
)
def test_the_cheapest_and_then_the_first_breaks_ties(shown: str, ground: Ground) -> None:
    costs = (2.0, 1.0, 1.0)
    tried = [Tried(ran=True, shown=one, cost=cost) for one, cost in zip(shown, costs, strict=True)]
    choice = choose(Inquiry(), tried)
    assert (choice.best, choice.ground) == (1, ground)


def test_two_against_two_agree_and_tell_nothing_apart() -> None:
    choice = choose(Inquiry(), [Tried(ran=True, shown=text) for text in "7788"])
    assert (choice.best, choice.ground) == (0, Ground.CHEAPEST)


def test_what_settled_a_choice_is_its_ground() -> None:
    # The third of them says 8, and is stopped before it can.
    tried = [Tried(ran=True, shown="7"), Tried(ran=True, shown="7")]
    assert settled(Inquiry(), tried, waiting=1)
    assert choose(Inquiry(), tried).ground is Ground.AGREEMENT


def test_the_only_one_that_runs_is_kept_and_none_when_all_fail() -> None:
    only = choose(Inquiry(), [Tried(ran=False), Tried(ran=True, shown="7"), Tried(ran=False)])
    assert (only.best, only.kept, only.ground) == (1, True, Ground.ONLY)
    none = choose(Inquiry(), [Tried(ran=False), Tried(ran=False)])
    assert (none.best, none.kept, none.ground) == (0, False, Ground.NONE)


def test_a_value_of_another_type_agrees_with_nothing() -> None:
    asked = Inquiry((), probes=("f(1)",), signature=inquiry("def f(x) -> int:").signature)
    text, number = Finding(type="str", digest="a"), Finding(type="int", digest="b")
    tried = [Tried(ran=True, examined=Examined(probes={0: one})) for one in (text, text, number)]
    assert [one.agreement for one in choose(asked, tried).standings] == [0, 0, 0]


def test_a_choice_is_settled_when_the_rest_cannot_change_it() -> None:
    asked = inquiry(QUESTION)
    right = Tried(ran=True, examined=found(RIGHT, asked))
    wrong = Tried(ran=True, examined=found(WRONG, asked))
    assert settled(asked, [wrong, right], waiting=3)
    assert not settled(asked, [wrong, wrong], waiting=1)
    seven, eight = Tried(ran=True, shown="7"), Tried(ran=True, shown="8")
    assert settled(Inquiry(), [seven, eight, seven, seven], waiting=1)
    assert not settled(Inquiry(), [seven, eight, seven], waiting=2)
    assert settled(Inquiry(), [], waiting=0)
    failed = Tried(ran=False)
    assert not settled(Inquiry(), [failed, failed, failed], waiting=2)
    assert not settled(Inquiry(), [failed, seven, seven], waiting=2), "two of five are not most"
