import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from capibara6.config import Logging
from capibara6.monitoring.logging import configure_logging
from capibara6.monitoring.redaction import MARK, Redactor

SECRET = "correct-horse-battery"


def redacted(*secrets: str, **fields: object) -> dict[str, object]:
    return dict(Redactor(secrets)(None, "info", fields))


@pytest.mark.parametrize(
    "name",
    ["api_key", "X-API-KEY", "openai_apikey", "password", "db.password", "access_token", "token",
     "Authorization", "client_secret", "cookie", "credentials", "E2B_API_KEY"],
)  # fmt: skip
def test_fields_are_hidden_by_their_names(name: str) -> None:
    assert redacted(**{name: "anything"}) == {name: MARK}
    assert redacted(headers={name: "anything", "x": 1}) == {"headers": {name: MARK, "x": 1}}


@pytest.mark.parametrize(
    "name", ["prompt_tokens", "tokens_max", "token_count", "keyboard", "monkey", "key_columns"]
)
def test_names_that_only_resemble_one_are_shown(name: str) -> None:
    assert redacted(**{name: 7}) == {name: 7}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key e2b_" + "0a" * 20 + " used", "e2b_" + "0a" * 20),
        ("sk-proj-abc_DEF-123456789", "sk-proj-abc_DEF-123456789"),
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("postgresql+asyncpg://user:hunter2@127.0.0.1/db failed", "user:hunter2"),
    ],
)
def test_secrets_are_hidden_by_their_form(text: str, secret: str) -> None:
    shown = redacted(event=text)["event"]
    assert secret not in str(shown)
    assert MARK in str(shown)


@given(st.text(min_size=6), st.text(), st.text())
def test_known_values_never_appear(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    shown = redactor.text(f"{before}{secret}{after}")
    assert secret not in shown.replace(MARK, "\0")


def test_values_are_hidden_wherever_they_are() -> None:
    class Client:
        def __repr__(self) -> str:
            return f"Client({SECRET})"

    fields = {
        "event": f"x{SECRET}y",
        "items": [1, (SECRET, None), {SECRET: True}],
        "client": Client(),
        "number": 1.5,
    }
    shown = redacted(SECRET, **fields)
    assert SECRET not in repr(shown)
    assert shown["number"] == 1.5


def test_a_value_too_short_to_be_told_from_a_word_is_left() -> None:
    assert redacted("id", event="idle") == {"event": "idle"}


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["json", "console"])
def test_ours_and_the_libraries_logs_go_through_it(form: str) -> None:
    stream = io.StringIO()
    configure_logging(Logging(level="info", format=form), [SECRET], stream)  # type: ignore[arg-type]
    structlog.get_logger("ours").info("started", api_key="abc", note=SECRET)
    logging.getLogger("library").warning("connecting to %s", f"http://u:{SECRET}@h")
    logging.getLogger("library").debug("nobody asked")
    try:
        int(f"wrong {SECRET}")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stream.getvalue()
    assert SECRET not in text
    assert "abc" not in text
    assert "nobody asked" not in text
    assert "ValueError" in text
    assert "connecting to" in text
    if form == "json":
        first = json.loads(text.splitlines()[0])
        assert (first["event"], first["level"], first["logger"]) == ("started", "info", "ours")


@pytest.mark.usefixtures("restored")
def test_setting_up_again_replaces() -> None:
    streams = [io.StringIO(), io.StringIO()]
    for stream in streams:
        configure_logging(Logging(level="debug", format="json"), stream=stream)
    logging.getLogger("aiosqlite").debug("a whole program")
    logging.getLogger("x").debug("shown")
    assert streams[0].getvalue() == ""
    assert streams[1].getvalue().count("\n") == 1
