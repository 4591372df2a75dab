"""Scores of models side by side, as an SVG picture. Pure."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from capibara6.evaluation.models.scores import ModelScore, share

# Name, colour, and width in the legend.
_BARS: Final = (
    ("greedy", "#4477aa", 74),
    ("kept", "#228833", 62),
    ("after repair", "#ccbb44", 104),
    ("any candidate (oracle)", "#bbbbbb", 0),
)
_BAR, _GAP, _LEFT, _TOP, _HEIGHT, _BOTTOM = 27, 44, 56, 72, 260, 96
_BASE: Final = _TOP + _HEIGHT
_WIDTH_MIN: Final = 480  # the legend's
_CAP: Final = 4
_NAME_CHARS_MAX: Final = 22
_TITLE_CHARACTER: Final = 8  # wide, at most about
_NOTE: Final = "Per cent of the tasks; lines are 95 % intervals."


def svg(title: str, scores: Sequence[ModelScore]) -> str:
    """Bars with 95 % intervals: what each model solves by its first program, kept, and mended.

    "any" is what an oracle would have found among the candidates.
    """
    group = _BAR * len(_BARS) + _GAP
    width = max(_LEFT + group * len(scores) + _GAP // 2, _WIDTH_MIN)
    height = _BASE + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 22, _cut(title, (width - _LEFT) // _TITLE_CHARACTER), size=15),
        *_legend(),
        *_axis(width),
    ]
    for number, score in enumerate(scores):
        left = _LEFT + _GAP // 2 + number * group
        parts += _bars(score, left)
        parts += _names(score, left + _BAR * len(_BARS) / 2)
    note = _text(_LEFT, height - 10, _NOTE, size=10, colour="#666")
    return "\n".join([*parts, note, "</svg>", ""])


def _names(score: ModelScore, middle: float) -> list[str]:
    """Under a model's bars: its tier, its own name, and how it was asked."""
    model = score.model if score.model != score.tier else ""
    lines = (
        (_cut(score.tier, _NAME_CHARS_MAX), 12, "#000"),
        (_cut(model, _NAME_CHARS_MAX), 11, "#000"),
        (f"{_count(score.tasks, 'task')} x {_count(score.candidates, 'program')}", 10, "#666"),
    )
    told = [line for line in lines if line[0]]
    return [
        _text(middle, _BASE + 34 + 15 * row, text, anchor="middle", size=size, colour=colour)
        for row, (text, size, colour) in enumerate(told)
    ]


def _bars(score: ModelScore, left: int) -> list[str]:
    counts = (score.pass_1, score.selected, score.after_repair, score.any)
    parts = []
    for place, ((name, colour, _), count) in enumerate(zip(_BARS, counts, strict=True)):
        found, x = share(count, score.tasks), left + place * _BAR
        top, middle = _y(found.value), x + _BAR / 2
        parts.append(
            f'<rect x="{x + 2}" y="{top:.1f}" width="{_BAR - 4}" '
            f'height="{_BASE - top:.1f}" fill="{colour}">'
            f"<title>{name}: {count} of {score.tasks}</title></rect>"
        )
        parts.append(_interval(middle, _y(found.low), _y(found.high)))
        # In a row of their own: above a bar they would lie on intervals.
        label = f"{100 * found.value:.0f}"
        parts.append(_text(middle, _BASE + 14, label, anchor="middle", size=10))
    return parts


def _interval(x: float, low: float, high: float) -> str:
    left, right = x - _CAP, x + _CAP
    path = f"M{left} {low:.1f}H{right}M{x} {low:.1f}V{high:.1f}M{left} {high:.1f}H{right}"
    return f'<path d="{path}" stroke="#222" fill="none"/>'


def _legend() -> list[str]:
    parts, x = [], _LEFT
    for name, colour, width in _BARS:
        parts.append(f'<rect x="{x}" y="36" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 15, 45, name))
        x += width
    return parts


def _axis(width: int) -> list[str]:
    parts = []
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        colour = "#ddd" if percent else "#888"
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{width - 8}" stroke="{colour}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{percent} %", anchor="end"))
    return parts


def _y(value: float) -> float:
    return _TOP + _HEIGHT * (1 - value)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#000"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
