"""Rules that change requests on their way out: headers by host, with secrets by name.

Limits and messages are E2B's. A value may hold placeholders, `${e2b.secrets.<name>}`; what they
stand for is put in when a request passes, so that neither a policy nor a sandbox ever holds it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from capibara6_sandbox.network.policy import HostRule
from capibara6_sandbox.network.proxies import PolicyError

HOSTS_MAX: Final = 10
HEADERS_MAX: Final = 20
SECRETS_MAX: Final = 32  # of one host
FILLED_CHARS_MAX: Final = 64 * 1024  # of all the headers of one host, secrets included
_RULES_OF_HOST_MAX: Final = 1
_HOST_CHARS_MAX: Final = 128
_HOST_CHARS_MAX_TOLD: Final = 253  # of a name below a wildcard
_NAME_CHARS_MAX: Final = 64
_VALUE_CHARS_MAX: Final = 2048

_HOST: Final = re.compile(
    r"(\*\.)?[a-z0-9_][a-z0-9_-]{0,62}(\.[a-z0-9_][a-z0-9_-]{0,62})*", re.ASCII
)
_NUMBERS: Final = re.compile(r"[\d.]+", re.ASCII)  # an address, which is no name
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_NO_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Of these depends where a request ends, or whose connection it is.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip

_PREFIXES: Final = {"secret": "${e2b.secrets.", "token": "${e2b.identity.tokens."}
_OPENING: Final = re.compile("|".join(map(re.escape, _PREFIXES.values())))
_SECRET: Final = re.compile(r"[a-z0-9_-]{1,128}", re.ASCII)
_SECRET_ID: Final = "sec_"  # noqa: S105 - what ids begin with, which are no names


class Piece(NamedTuple):
    """A part of a header's value: text as it stands, or a secret by its name."""

    text: str
    secret: bool = False


class FillingError(Exception):
    """A value cannot be put together; the message is for the program and names no secret."""


def parse_rules(rules: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> tuple[HostRule, ...]:
    """Read the rules of a network configuration.

    Args:
        rules: by host, each a list of at most one {"transform": {"headers": {name: value}}}.

    Raises:
        PolicyError: one cannot be; in E2B's words where it has some.
    """
    rules = rules or {}
    if len(rules) > HOSTS_MAX:
        raise PolicyError(f"Network rules can have at most {HOSTS_MAX} domains.")
    found = {}
    for written, of_host in rules.items():
        host = _host(written)
        if host in found:
            raise PolicyError(f'Rule domain "{host}" is given twice.')
        if len(of_host) > _RULES_OF_HOST_MAX:
            raise PolicyError(
                f'Domain "{written}" can have at most {_RULES_OF_HOST_MAX} transform rule.'
            )
        found[host] = HostRule(host, _headers(written, of_host[0]) if of_host else None)
    return tuple(found.values())


def _host(written: str) -> str:
    if not written:
        raise PolicyError("Rule domain must not be empty.")
    if len(written) > _HOST_CHARS_MAX:
        raise PolicyError(
            f'Rule domain "{written[:_HOST_CHARS_MAX]}…" exceeds maximum length of '
            f"{_HOST_CHARS_MAX} characters."
        )
    host = written.lower().removesuffix(".")
    if not _HOST.fullmatch(host) or _NUMBERS.fullmatch(host):
        raise PolicyError(f'Rule domain "{written}" is not a valid domain name.')
    return host


def is_host(name: str) -> bool:
    """Whether a name is one of a single host, in the form that rules have theirs in."""
    return bool(_HOST.fullmatch(name)) and "*" not in name and len(name) <= _HOST_CHARS_MAX_TOLD


def _headers(host: str, rule: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    headers = (rule.get("transform") or {}).get("headers") or {}
    if len(headers) > HEADERS_MAX:
        raise PolicyError(f'Domain "{host}" can have at most {HEADERS_MAX} headers per rule.')
    if len({name.lower() for name in headers}) < len(headers):
        raise PolicyError(f'A header in rule for domain "{host}" is given twice.')
    secrets: set[str] = set()
    for name, value in headers.items():
        _check_name(host, name)
        _check_value(host, name, value)
        secrets |= {piece.text for piece in pieces(value) if piece.secret}
    if len(secrets) > SECRETS_MAX:
        raise PolicyError(f'Rule domain "{host}" references more than {SECRETS_MAX} secrets.')
    return tuple(headers.items())


def _check_name(host: str, name: str) -> None:
    if not name:
        raise PolicyError(f'Header name in rule for domain "{host}" must not be empty.')
    if not _NAME.fullmatch(name):
        raise PolicyError(
            f'Header name "{name[:_NAME_CHARS_MAX]}" in rule for domain "{host}" must contain only '
            "valid HTTP token characters."
        )
    if len(name) > _NAME_CHARS_MAX:
        raise PolicyError(
            f'Header name "{name[:_NAME_CHARS_MAX]}…" in rule for domain "{host}" exceeds maximum '
            f"length of {_NAME_CHARS_MAX} characters."
        )
    if name.lower() in _FRAMING:
        raise PolicyError(
            f'Header name "{name}" in rule for domain "{host}" cannot be set: it belongs to the '
            "connection, not to the request."
        )


def _check_value(host: str, name: str, value: str) -> None:
    what = f'Value for header "{name}" in rule for domain "{host}"'
    if _NO_VALUE.search(value):
        raise PolicyError(f"{what} contains invalid characters.")
    if len(value) > _VALUE_CHARS_MAX:
        raise PolicyError(f"{what} exceeds maximum length of {_VALUE_CHARS_MAX} characters.")


def pieces(value: str) -> list[Piece]:
    """Take a header's value apart at its placeholders.

    Identity tokens, which this server does not issue, stay as they stand: E2B too leaves those
    that it does not know.

    Raises:
        PolicyError: a placeholder is cut off, nested, empty, or names what can be no secret.
    """
    found: list[Piece] = []
    at = 0
    while opening := _OPENING.search(value, at):
        end = value.find("}", opening.end())
        name = value[opening.end() : end]
        if end < 0 or not name or _OPENING.search(name):
            raise _malformed()
        found.append(Piece(value[at : opening.start()]))
        if opening[0] == _PREFIXES["secret"]:
            found.append(Piece(_secret_name(name), secret=True))
        else:
            found.append(Piece(value[opening.start() : end + 1]))
        at = end + 1
    return [*found, Piece(value[at:])]


def _secret_name(written: str) -> str:
    name = written.strip().lower()
    if not _SECRET.fullmatch(name) or name.startswith(_SECRET_ID):
        raise _malformed()
    return name


def _malformed() -> PolicyError:
    return PolicyError("Network transform header contains a malformed E2B placeholder.")


def secret_names(rules: Iterable[HostRule]) -> set[str]:
    """Return the names of all secrets that rules refer to."""
    values = (value for rule in rules for _, value in rule.headers or ())
    return {piece.text for value in values for piece in pieces(value) if piece.secret}


@dataclass(frozen=True, slots=True)
class Transform:
    """What becomes of the requests to one host."""

    host: str  # as its rule says; perhaps a wildcard
    headers: tuple[tuple[str, list[Piece]], ...] = field(repr=False)
    _secrets: Mapping[str, str] = field(repr=False)

    def fill(self) -> list[tuple[bytes, bytes]]:
        """Return the headers with the secrets of now.

        Raises:
            FillingError: a secret is missing, or cannot stand in a header.
        """
        filled = [(name, "".join(map(self._text, parts))) for name, parts in self.headers]
        if sum(len(value) for _, value in filled) > FILLED_CHARS_MAX:
            raise FillingError(f"the headers exceed {FILLED_CHARS_MAX:,} characters")
        return [(name.encode(), _stripped(value).encode()) for name, value in filled]

    def _text(self, piece: Piece) -> str:
        if not piece.secret:
            return piece.text
        if piece.text not in self._secrets:
            raise FillingError("a header refers to a secret that does not exist")
        return self._secrets[piece.text]


def _stripped(value: str) -> str:
    if _NO_VALUE.search(value):
        raise FillingError("a secret contains characters that cannot stand in a header")
    return value.strip(" \t")


class Transforms:
    """The rules of one sandbox, ready for use.

    Args:
        rules: them.
        secrets: the values that they refer to, by name, as far as there are such.
    """

    def __init__(self, rules: Iterable[HostRule] = (), secrets: Mapping[str, str] = {}) -> None:
        self._by_host = {
            rule.host: Transform(
                rule.host,
                tuple((name, pieces(value)) for name, value in rule.headers),
                secrets,
            )
            for rule in rules
            if rule.headers
        }

    def __bool__(self) -> bool:
        return bool(self._by_host)

    def find(self, name: str) -> Transform | None:
        """Return what is for a host: by its own name, else by the longest wildcard above it."""
        labels = name.split(".")
        candidates = (".".join(["*", *labels[at:]]) for at in range(1, len(labels)))
        for host in (name, *candidates):
            if host in self._by_host:
                return self._by_host[host]
        return None
