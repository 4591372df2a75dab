"""Scores of models side by side, as an SVG picture. Pure."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from capibara6.evaluation.models.scores import ModelScore, share

_COLOURS: Final = {
    "greedy": "#4477aa",
    "kept": "#228833",
    "after repair": "#ccbb44",
    "any": "#bbbbbb",
}
_BAR, _GAP, _LEFT, _TOP, _HEIGHT, _BOTTOM = 26, 34, 52, 48, 260, 56
_NAME_CHARS_MAX: Final = 24


def svg(title: str, scores: Sequence[ModelScore]) -> str:
    """Bars with 95 % intervals: what each model solves by its first program, kept, and mended.

    "any" is what an oracle would have found among the candidates.
    """
    group = _BAR * len(_COLOURS) + _GAP
    width = max(_LEFT + group * len(scores) + _GAP, 420)
    height = _TOP + _HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 18, title, size=14),
        *_legend(),
        *_axis(width),
    ]
    for number, score in enumerate(scores):
        left = _LEFT + _GAP // 2 + number * group
        parts += _bars(score, left)
        middle = left + _BAR * len(_COLOURS) // 2
        name = score.tier[:_NAME_CHARS_MAX]
        parts.append(_text(middle, _TOP + _HEIGHT + 18, name, anchor="middle"))
        told = f"{score.tasks} tasks, {score.candidates} each"
        parts.append(_text(middle, _TOP + _HEIGHT + 34, told, anchor="middle", size=10))
    return "\n".join([*parts, "</svg>", ""])


def _bars(score: ModelScore, left: int) -> list[str]:
    counts = (score.pass_1, score.selected, score.after_repair, score.any)
    parts = []
    for place, ((name, colour), count) in enumerate(zip(_COLOURS.items(), counts, strict=True)):
        found, x = share(count, score.tasks), left + place * _BAR
        top, middle = _y(found.value), x + _BAR / 2
        parts.append(
            f'<rect x="{x + 2}" y="{top:.1f}" width="{_BAR - 4}" '
            f'height="{_TOP + _HEIGHT - top:.1f}" fill="{colour}">'
            f"<title>{name}: {count} of {score.tasks}</title></rect>"
        )
        parts.append(
            f'<path d="M{middle} {_y(found.low):.1f}V{_y(found.high):.1f}" stroke="#333" '
            'fill="none"/>'
        )
        label = f"{100 * found.value:.0f}"
        parts.append(_text(middle, _y(found.high) - 4, label, anchor="middle", size=10))
    return parts


def _legend() -> list[str]:
    parts = []
    for place, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + place * 92
        parts.append(f'<rect x="{x}" y="27" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 14, 36, name))
    return parts


def _axis(width: int) -> list[str]:
    parts = []
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{width - 8}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{percent} %", anchor="end"))
    return parts


def _y(value: float) -> float:
    return _TOP + _HEIGHT * (1 - value)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )
