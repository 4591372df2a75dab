import contextlib
import gzip

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.downloads import parse_range
from capibara6_sandbox.gateway.envd.request_bodies import (
    PIECE_BYTES_MAX,
    PartEnd,
    PartStart,
    form_parts,
    gunzipped,
)

sizes = st.lists(st.integers(1, 50), min_size=1, max_size=20)


async def pieces(content, lengths):
    position = 0
    for length in lengths:
        yield content[position : position + length]
        position += length
    yield content[position:]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), sizes)
async def test_gzip_is_unpacked_however_it_is_cut(members, lengths):
    packed = b"".join(gzip.compress(member) for member in members)
    unpacked = [piece async for piece in gunzipped(pieces(packed, lengths))]
    assert b"".join(unpacked) == b"".join(members)


async def test_what_unpacks_to_much_comes_in_bounded_pieces():
    packed = gzip.compress(bytes(20_000_000))
    lengths = [len(piece) async for piece in gunzipped(pieces(packed, []))]
    assert sum(lengths) == 20_000_000
    assert max(lengths) <= PIECE_BYTES_MAX


@pytest.mark.parametrize("content", [b"", b"nonsense", gzip.compress(b"x" * 100, mtime=0)[:-1]])
async def test_what_is_not_gzip_is_refused(content):
    with pytest.raises(CallError, match="error decompressing"):
        async for _ in gunzipped(pieces(content, [])):
            pass


@given(st.lists(st.tuples(st.text("ñ/a b;", min_size=1), st.binary(max_size=200))), sizes)
async def test_forms_are_parsed_however_they_are_cut(files, lengths):
    if not files:
        return
    request = httpx.Request("POST", "http://x", files=[("file", file) for file in files])
    found, name, content = [], None, b""
    kind = request.headers["Content-Type"]
    async for event in form_parts(kind, pieces(request.read(), lengths)):
        if isinstance(event, PartStart):
            assert event.name == "file"
            name, content = event.filename, b""
        elif isinstance(event, PartEnd):
            found.append((name, content))
        else:
            content += event
    assert found == files


@given(st.binary(max_size=200))
async def test_any_form_is_parsed_or_refused(content):
    with contextlib.suppress(CallError):  # nothing else may come out of it
        async for _ in form_parts("multipart/form-data; boundary=b", pieces(b"--b" + content, [])):
            pass


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, None)),
        ("bytes=3-7", (3, 5)),
        ("bytes = 3 - 7", (3, 5)),
        ("bytes=-4", (-4, None)),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=7-3", None),
        ("bytes=1-2,4-5", None),
        ("items=1-2", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges(header, expected):
    assert parse_range(header) == expected
