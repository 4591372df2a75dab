"""Samples, what is told of them, and the table."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """What a set of samples comes to, in `unit`."""

    median: float
    p10: float
    p90: float
    runs: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Figure":
        """Summarise at least two samples."""
        tenths = statistics.quantiles(samples, n=10, method="inclusive")
        return cls(statistics.median(samples), tenths[0], tenths[-1], len(samples))

    def __str__(self) -> str:
        """Tell the median, and the tenth and ninetieth percentile."""
        return f"{self.median:8.1f} {f'{self.p10:.1f}-{self.p90:.1f}':>13}"


@dataclass(frozen=True)
class Row:
    """One measured thing: with a pool, without, its floor, and the goal it is to meet."""

    label: str
    unit: str
    goal: str
    pooled: Figure | None
    unpooled: Figure | None
    floor: Figure
    floor_is: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, with the ratios of the medians to the floor's."""
        return {**asdict(self), "ratio": {"pooled": self.ratio(), "unpooled": self.ratio(False)}}

    def ratio(self, pooled: bool = True) -> float | None:
        """Return how many times the floor's median this is."""
        figure = self.pooled if pooled else self.unpooled
        return figure.median / self.floor.median if figure else None


def table(rows: Sequence[Row]) -> str:
    """Write the rows for people."""
    columns = f"{'median':>8} {'p10-p90':>13}"
    lines = [
        f"{'':38} {'goal':>10}  {'pool of 2':^22}  {'no pool':^22}  {'floor':^22}  ratio to floor",
        f"{'':38} {'':>10}  {columns}  {columns}  {columns}  pool / none",
    ]
    for row in rows:
        cells = "  ".join(f"{figure!s:>22}" if figure else " " * 21 + "-" for figure in _of(row))
        ratios = " / ".join(_ratio(row.ratio(pooled)) for pooled in (True, False))
        lines.append(f"{f'{row.label}, {row.unit}':38} {row.goal:>10}  {cells}  {ratios}")
    floors = dict.fromkeys(row.floor_is for row in rows)
    marked = [f"  {', '.join(_letters(rows, text))}: {text}" for text in floors]
    return "\n".join([*lines, "", "The floors:", *marked])


def _of(row: Row) -> tuple[Figure | None, ...]:
    return row.pooled, row.unpooled, row.floor


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _letters(rows: Sequence[Row], floor_is: str) -> list[str]:
    return list(dict.fromkeys(row.label.split()[0] for row in rows if row.floor_is == floor_is))
