"""Text as every database can hold it."""

TEXT_CHARACTERS_MAX = 1_000_000
NAME_CHARACTERS_MAX = 255


def storable(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """Return `text` without what databases refuse, its middle left out when it is too long.

    The columns are for reading and searching; what was received to the letter is in the events.
    """
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}")
    clean = clean.encode("utf-8", "replace").decode("utf-8")  # lone surrogates
    if len(clean) <= characters_max:
        return clean
    mark = f"\n[… {len(clean) - characters_max:,} characters left out …]\n"
    half = (characters_max - len(mark)) // 2
    return clean[:half] + mark + clean[-half:]


def storable_name(text: str) -> str:
    """Return `text` cut to the length of a name's column."""
    return storable(text[:NAME_CHARACTERS_MAX], NAME_CHARACTERS_MAX)
