import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capibara6.domain import events
from capibara6.domain.events import Event, ExecutionFinished, ProgramChunk, RunStarted
from capibara6.domain.executions import Artefact, ExecutionResult, ResultItem, Usage
from capibara6.domain.programs import Program
from capibara6.domain.requests import DataFile, Request
from capibara6.store.codec import event_from_dict, event_to_dict, from_json, to_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.sampled_from(["$tuple", "$bytes", "$blob", "$float", "$items", "type"])
DATA = st.recursive(
    SCALARS | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(KEYS | st.integers(), inner, max_size=2)
    ),
    max_leaves=4,
)
MIME_BUNDLES = st.dictionaries(KEYS, DATA, max_size=2)
RESULT_ITEMS = st.builds(ResultItem, data=MIME_BUNDLES)
PROGRAMS = st.builds(Program, parameters=MIME_BUNDLES, cost_usd=st.floats(allow_nan=False))
FLOATS = st.floats(allow_nan=False)


def strategy_for(kind: type[Event]) -> st.SearchStrategy[Event]:
    st.register_type_strategy(ResultItem, RESULT_ITEMS)
    st.register_type_strategy(Program, PROGRAMS)
    st.register_type_strategy(float, FLOATS)
    return st.builds(kind)


KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_every_event_survives_json(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(strategy_for(kind))
    text = json.dumps(event_to_dict(event))
    assert event_from_dict(json.loads(text)) == event


@given(DATA)
@settings(max_examples=60, deadline=None)
def test_any_data_survives(value: Any) -> None:
    text = to_json(value)
    assert text.isascii()
    assert "\0" not in text
    copy = from_json(text)
    assert copy == value
    assert repr(copy) == repr(value)  # 1 and True and 1.0 are equal but not the same


def test_what_json_has_no_word_for() -> None:
    columns = {"e2b/data": {"x": [math.nan, math.inf, -math.inf, "\ud800", "a\0b"]}}
    copy = from_json(to_json(ResultItem(columns), ResultItem), ResultItem)
    assert repr(copy) == repr(ResultItem(columns))


def test_large_bytes_lie_elsewhere_and_small_ones_inline() -> None:
    kept: dict[str, bytes] = {}

    def keep(content: bytes) -> str:
        kept[f"key{len(kept)}"] = content
        return f"key{len(kept) - 1}"

    large, small = b"x" * 5000, b"y" * 5
    result = ExecutionResult(
        success=True,
        artefacts=(Artefact("a.bin", "application/octet-stream", large), Artefact("b", "b", small)),
        usage=Usage(1.5, None, 2**40),
    )
    event = ExecutionFinished("r", 1, result)
    payload = event_to_dict(event, keep)
    assert list(kept.values()) == [large]
    assert event_from_dict(payload, kept.__getitem__) == event
    with pytest.raises(ValueError, match="key0"):
        event_from_dict(payload)


def test_input_files_are_part_of_the_record() -> None:
    event = RunStarted("r", Request("r", "¿Cuántas?", (DataFile("d.csv", b"a,b\n1,2\n"),)))
    assert event_from_dict(json.loads(json.dumps(event_to_dict(event)))) == event


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"type": "Nothing"}, "no event is called 'Nothing'"),
        ({}, "no event is called None"),
        ({"type": "ProgramChunk", "run_id": "r"}, "ProgramChunk"),
        ({"type": "ProgramChunk", "run_id": "r", "attempt": 1, "text": "", "x": 1}, "no field x"),
    ],
)
def test_a_payload_that_is_no_event(payload: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        event_from_dict(payload)


def test_what_is_not_data_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        to_json({"a": object()})
    assert event_to_dict(ProgramChunk("r", 1, "x"))["type"] == "ProgramChunk"
