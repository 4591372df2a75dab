import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.messages import Message, parse


def test_fields_are_read_by_either_name():
    for name in ("watcher_id", "watcherId"):
        assert Message({name: "w"}).text("watcher_id") == "w"


def test_absent_and_null_fields_are_the_defaults():
    for message in (Message({}), Message(dict.fromkeys(["a", "b"]))):
        assert message.text("a") == ""
        assert message.optional_text("a") is None
        assert message.number("a") == 0
        assert message.flag("a", default=True) is True
        assert message.texts("a") == []
        assert message.mapping("a") == {}
        assert message.message("a").text("b") == ""
        assert not message.has("a")


def test_numbers_may_be_strings():
    assert Message({"depth": "7"}).number("depth") == 7


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, "x", "-1", True, [], {}])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(CallError, match="depth"):
        Message({"depth": value}).number("depth")


@pytest.mark.parametrize(
    "read",
    [
        lambda message: message.text("a"),
        lambda message: message.flag("a"),
        lambda message: message.texts("a"),
        lambda message: message.mapping("a"),
        lambda message: message.message("a"),
    ],
)
def test_values_of_another_type_are_refused(read):
    with pytest.raises(CallError, match="field 'a' must be"):
        read(Message({"a": 7}))


def test_containers_with_values_of_another_type_are_refused():
    with pytest.raises(CallError):
        Message({"a": ["x", 1]}).texts("a")
    with pytest.raises(CallError):
        Message({"a": {"x": 1}}).mapping("a")


@given(st.binary(max_size=40))
def test_bytes_come_in_any_base64(data):
    standard = base64.b64encode(data).decode()
    for text in (standard, standard.rstrip("="), base64.urlsafe_b64encode(data).decode()):
        assert Message({"stdin": text}).base64("stdin") == standard


def test_what_is_not_base64_is_refused():
    with pytest.raises(CallError, match="not base64"):
        Message({"stdin": "ñ"}).base64("stdin")
    with pytest.raises(CallError, match="not base64"):
        Message({"stdin": "a b"}).base64("stdin")


@given(st.binary(max_size=60))
def test_any_payload_is_a_message_or_refused(payload):
    with contextlib.suppress(CallError):  # nothing else may come out of it
        assert isinstance(parse(payload), Message)


def test_an_empty_payload_is_an_empty_message():
    assert not parse(b"").has("path")
