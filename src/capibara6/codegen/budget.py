"""Keeping texts within a number of characters. Pure."""


def shortened(text: str, chars_max: int, mark: str) -> str:
    """The text, or its beginning and end with `mark` between them."""
    if len(text) <= chars_max:
        return text
    half = max((chars_max - len(mark)) // 2, 0)
    return f"{text[:half]}{mark}{text[len(text) - half :]}"


def tail(text: str, chars_max: int) -> str:
    """The last whole lines of a text within `chars_max`; of a longer last line, its end."""
    text = text.strip()
    if len(text) <= chars_max:
        return text
    cut = text[len(text) - max(chars_max, 0) :]
    _, newline, whole_lines = cut.partition("\n")
    return whole_lines if newline else cut
