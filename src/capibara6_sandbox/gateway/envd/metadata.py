"""A file's metadata, as uploads carry it: `X-Metadata-<key>: <value>`."""

from starlette.datastructures import Headers

from capibara6_guest.wire import CallError

HEADER_PREFIX = "x-metadata-"
KEY_BYTES_MAX = 246
TOTAL_BYTES_MAX = 4096
_STORED_PREFIX_BYTES = len("user.e2b.")


def metadata_from(headers: Headers) -> dict[str, str]:
    """Collect the metadata; of a header that comes twice, the first counts.

    Raises:
        CallError: invalid_argument for a key or value that is no printable ASCII or too long.
    """
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower().removeprefix(HEADER_PREFIX)
        if key and name.lower() != key:
            metadata.setdefault(key, value)
    for key, value in metadata.items():
        _check(key, value)
    total = sum(len(k) + _STORED_PREFIX_BYTES + len(v) for k, v in metadata.items())
    if total > TOTAL_BYTES_MAX:
        message = f"invalid metadata: {total} bytes in all; the limit is {TOTAL_BYTES_MAX}"
        raise CallError("invalid_argument", message)
    return metadata


def _check(key: str, value: str) -> None:
    if not (key + value).isascii() or not (key + value).isprintable():
        message = f"invalid metadata: {key!r}: {value!r:.80} is not printable ASCII"
        raise CallError("invalid_argument", message)
    if len(key) > KEY_BYTES_MAX:
        message = f"invalid metadata: a key of {len(key)} bytes; the limit is {KEY_BYTES_MAX}"
        raise CallError("invalid_argument", message)
