"""Bytes of unknown encoding to text."""

import codecs

from capibara6.errors import DataFileError

BYTES_READ_MAX = 8 * 1024 * 1024  # no more of a file is looked at

# Codecs that take the byte order mark off themselves. UTF-32 first: its mark begins like UTF-16's.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1a\x1b")
_CONTROL_SHARE_MAX = 0.01


def decode(name: str, content: bytes) -> tuple[str, str]:
    """Decode the first 8 MiB of a file: UTF-8, UTF-16, UTF-32, else Windows-1252.

    Returns:
        The text and the encoding, as Python names it.

    Raises:
        DataFileError: the content is empty or is not text.
    """
    if not content[:BYTES_READ_MAX].strip(b" \t\r\n\0"):
        raise DataFileError(name, "it is empty", "Give a file with a header and rows")
    head = content[:BYTES_READ_MAX]
    encoding = next((e for bom, e in _BOMS if head.startswith(bom)), "") or _without_bom(head)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    if _looks_binary(text):
        raise DataFileError(
            name,
            "it is not text (binary content)",
            "Give CSV, TSV, JSON or JSON Lines under that name, or an Excel or Parquet file "
            "with its own ending (.xlsx, .parquet)",
        )
    return text, encoding


def _without_bom(head: bytes) -> str:
    sample = head[:4096]
    zeros_even, zeros_odd = sample[::2].count(0), sample[1::2].count(0)
    if zeros_odd > 0.4 * len(sample) / 2 > zeros_even:
        return "utf-16-le"
    if zeros_even > 0.4 * len(sample) / 2 > zeros_odd:
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _looks_binary(text: str) -> bool:
    sample = text[:65536]
    strange = sum(ord(character) in _CONTROL for character in sample)
    unmapped = sample.count("\ufffd")
    return "\0" in sample or strange + unmapped > _CONTROL_SHARE_MAX * len(sample)
