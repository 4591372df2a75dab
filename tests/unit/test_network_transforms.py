"""Rules for requests: what may stand in them, and what becomes of their placeholders."""

from typing import Any

import pytest

from capibara6_sandbox.network.policy import HostRule, PolicyError
from capibara6_sandbox.network.transforms import (
    FILLED_CHARS_MAX,
    FillingError,
    Piece,
    Transforms,
    is_host,
    parse_rules,
    pieces,
    secret_names,
)


def rule(headers: dict[str, str]) -> list[dict[str, Any]]:
    return [{"transform": {"headers": headers}}]


def test_hosts_are_kept_in_small_letters() -> None:
    parsed = parse_rules({"API.Example.com": rule({"A": "b"}), "*.Wild.test": [], "x.test": [{}]})
    assert parsed == (
        HostRule("api.example.com", (("A", "b"),)),
        HostRule("*.wild.test", None),
        HostRule("x.test", ()),
    )


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({f"{n}.test": [] for n in range(11)}, "Network rules can have at most 10 domains."),
        ({"": []}, "Rule domain must not be empty."),
        ({"x" * 129: []}, "exceeds maximum length of 128 characters"),
        ({"a b": []}, 'Rule domain "a b" is not a valid domain name.'),
        ({"1.2.3.4": []}, 'Rule domain "1.2.3.4" is not a valid domain name.'),
        ({"*": []}, 'Rule domain "*" is not a valid domain name.'),
        ({"a.*.test": []}, 'Rule domain "a.*.test" is not a valid domain name.'),
        ({"a.test:443": []}, 'Rule domain "a.test:443" is not a valid domain name.'),
        ({"a.test\n": []}, "is not a valid domain name"),
        ({"ä.test": []}, "is not a valid domain name"),
        ({"a.test": [], "A.test.": []}, 'Rule domain "a.test" is given twice.'),
        ({"a.test": [{}, {}]}, 'Domain "a.test" can have at most 1 transform rule.'),
        ({"a": rule({f"H{n}": "" for n in range(21)})}, "can have at most 20 headers per rule"),
        ({"a": rule({"": "x"})}, 'Header name in rule for domain "a" must not be empty.'),
        ({"a": rule({"X Y": "x"})}, "must contain only valid HTTP token characters"),
        ({"a": rule({"X\r\nY": "x"})}, "must contain only valid HTTP token characters"),
        ({"a": rule({"X" * 65: "x"})}, "exceeds maximum length of 64 characters"),
        ({"a": rule({"X": "a\r\nY: b"})}, 'Value for header "X" in rule for domain "a" contains'),
        ({"a": rule({"X": "x" * 2049})}, "exceeds maximum length of 2048 characters"),
        ({"a": rule({"X": "1", "x": "2"})}, "is given twice"),
        ({"a": rule({"Content-Length": "9"})}, "cannot be set: it belongs to the connection"),
        ({"a": rule({"transfer-encoding": "chunked"})}, "cannot be set"),
        ({"a": rule({"X": "".join(f"${{e2b.secrets.s{n}}}" for n in range(33))})}, "more than 32"),
    ],
)
def test_what_cannot_be_a_rule_is_told(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=None) as failure:
        parse_rules(rules)
    assert message in str(failure.value)


def test_placeholders_are_taken_apart() -> None:
    assert pieces("Bearer ${e2b.secrets. API-Key }!") == [
        Piece("Bearer "),
        Piece("api-key", secret=True),
        Piece("!"),
    ]
    kept = "${e2b.identity.tokens.aws} ${e2b.other.x} $"
    assert "".join(piece.text for piece in pieces(kept)) == kept
    assert not any(piece.secret for piece in pieces(kept))


@pytest.mark.parametrize(
    "value",
    [
        "${e2b.secrets.",
        "${e2b.secrets.}",
        "${e2b.secrets.a",
        "${e2b.identity.tokens.}",
        "${e2b.secrets.${e2b.secrets.a}}",
        "${e2b.secrets.bad name}",
        "${e2b.secrets.sec_private-canary}",
    ],
)
def test_malformed_placeholders_are_refused_without_their_text(value: str) -> None:
    with pytest.raises(PolicyError) as failure:
        parse_rules({"a.test": rule({"X": value})})
    assert str(failure.value) == "Network transform header contains a malformed E2B placeholder."


def test_secrets_are_filled_in_at_the_time_of_asking() -> None:
    rules = parse_rules(
        {"a.test": rule({"Authorization": "Bearer ${e2b.secrets.key}", "B": " c "})}
    )
    secrets = {"key": "first"}
    transform = Transforms(rules, secrets).find("a.test")
    assert transform is not None
    assert transform.fill() == [(b"Authorization", b"Bearer first"), (b"B", b"c")]
    secrets["key"] = "sécond"
    assert transform.fill()[0] == (b"Authorization", "Bearer sécond".encode())
    assert secret_names(rules) == {"key"}
    assert "first" not in repr(transform)
    assert "Bearer" not in repr(rules)


@pytest.mark.parametrize("value", [None, "a\nb", "x" * FILLED_CHARS_MAX])
def test_a_secret_that_cannot_stand_in_a_header_is_told_without_it(value: str | None) -> None:
    rules = parse_rules({"a.test": rule({"X": "v${e2b.secrets.hidden-name}"})})
    transform = Transforms(rules, {} if value is None else {"hidden-name": value}).find("a.test")
    assert transform is not None
    with pytest.raises(FillingError) as failure:
        transform.fill()
    assert "hidden-name" not in str(failure.value)


def test_the_exact_name_goes_first_then_the_longest_wildcard() -> None:
    names = ["*.test", "*.b.test", "a.b.test", "empty.b.test"]
    rules = parse_rules({name: rule({"From": name}) for name in names[:3]} | {names[3]: []})
    transforms = Transforms(rules)

    def source(name: str) -> str:
        found = transforms.find(name)
        return found.host if found else ""

    assert source("a.b.test") == "a.b.test"
    assert source("x.b.test") == source("x.y.b.test") == "*.b.test"
    assert source("b.test") == "*.test"
    assert source("test") == source("") == source("a.b.test.evil") == ""
    assert not Transforms()


@pytest.mark.parametrize("name", ["", "*.a.test", "a b", "a,DNS:evil", "a\nb", "x." * 130 + "y"])
def test_only_names_of_hosts_get_certificates(name: str) -> None:
    assert not is_host(name)
    assert is_host("a-1.b_2.test")
