"""Charts of matplotlib and seaborn, as data: what comes back is what was plotted."""

from collections.abc import Iterator
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox
from e2b_code_interpreter.charts import ChartType, ScaleType

from support.sandbox_server import SandboxServer

PRELUDE = "import matplotlib.pyplot as plt, numpy as np, pandas as pd, seaborn as sns, datetime\n"


@pytest.fixture(scope="module")
def one(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    """One sandbox for all charts: each closes its figures."""
    with Sandbox.create(timeout=300, **sandbox_server.sdk) as sandbox:
        sandbox.run_code(PRELUDE)
        yield sandbox


def chart_of(sandbox: Sandbox, code: str) -> Any:
    execution = sandbox.run_code(f"{code}\nplt.show()")
    assert execution.error is None, execution.error
    (result,) = [result for result in execution.results if result.png]
    assert result.png is not None
    assert result.formats() == ["text", "png", "chart"]
    return result.chart


def points(chart: Any) -> dict[str, list[tuple[Any, Any]]]:
    return {line.label: line.points for line in chart.elements}


def test_lines(one: Sandbox) -> None:
    chart = chart_of(
        one,
        "x = np.arange(4); plt.plot(x, x ** 2, label='squares')\n"
        "plt.plot(x, x ** 3, label='cubes')\n"
        "plt.title('Powers'); plt.xlabel('time (s)'); plt.ylabel('length [m]'); plt.legend()",
    )
    assert (chart.type, chart.title) == (ChartType.LINE, "Powers")
    assert (chart.x_label, chart.x_unit) == ("time (s)", "s")
    assert (chart.y_label, chart.y_unit) == ("length [m]", "m")
    assert points(chart) == {
        "squares": [(0, 0), (1, 1), (2, 4), (3, 9)],
        "cubes": [(0, 0), (1, 1), (2, 8), (3, 27)],
    }
    assert (chart.x_scale, chart.y_scale) == (ScaleType.LINEAR, ScaleType.LINEAR)
    assert len(chart.x_ticks) == len(chart.x_tick_labels)


def test_lines_without_names(one: Sandbox) -> None:
    chart = chart_of(one, "plt.plot([1, 2]); plt.plot([3, 4])")
    assert points(chart) == {"Line 0": [(0, 1), (1, 2)], "Line 1": [(0, 3), (1, 4)]}
    assert (chart.title, chart.x_label, chart.x_unit) == (None, None, None)


def test_scatters(one: Sandbox) -> None:
    chart = chart_of(
        one, "plt.scatter([1, 2], [3.5, 4.5], label='a'); plt.scatter([5], [6], label='b')"
    )
    assert chart.type == ChartType.SCATTER
    assert points(chart) == {"a": [(1, 3.5), (2, 4.5)], "b": [(5, 6)]}


@pytest.mark.parametrize("call", ["bar", "barh"])
def test_bars(one: Sandbox, call: str) -> None:
    chart = chart_of(
        one,
        f"plt.{call}(['x', 'y', 'z'], [1, 2.5, 4], label='g'); plt.xlabel('X'); plt.ylabel('Y')",
    )
    assert chart.type == ChartType.BAR
    bars = [(bar.label, bar.value, bar.group) for bar in chart.elements]
    assert bars == [("x", 1, "g"), ("y", 2.5, "g"), ("z", 4, "g")]
    assert (chart.x_label, chart.y_label) == (("X", "Y") if call == "bar" else ("Y", "X"))


def test_groups_of_bars(one: Sandbox) -> None:
    chart = chart_of(
        one,
        "plt.bar(['x', 'y'], [1, 2], label='low')\n"
        "plt.bar(['x', 'y'], [3, 5], bottom=[1, 2], label='high')",
    )
    bars = [(bar.group, bar.label, bar.value) for bar in chart.elements]
    assert bars == [("low", "x", 1), ("low", "y", 2), ("high", "x", 3), ("high", "y", 5)]


def test_pies(one: Sandbox) -> None:
    chart = chart_of(one, "plt.pie([1, 2, 1], labels=['a', 'b', 'c']); plt.title('Parts')")
    assert (chart.type, chart.title) == (ChartType.PIE, "Parts")
    assert [(part.label, part.angle, part.radius) for part in chart.elements] == [
        ("a", 90, 1),
        ("b", 180, 1),
        ("c", 90, 1),
    ]


@pytest.mark.parametrize("vertical", [True, False])
def test_boxes(one: Sandbox, vertical: bool) -> None:
    orientation = "vertical" if vertical else "horizontal"
    chart = chart_of(
        one,
        "data = {'A': [1, 2, 3, 4, 5, 20], 'B': [2, 4, 6, 8, 10]}\n"
        "plt.boxplot(data.values(), tick_labels=data.keys(), patch_artist=True, "
        f"orientation={orientation!r})",
    )
    assert chart.type == ChartType.BOX_AND_WHISKER
    told = [(b.min, b.first_quartile, b.median, b.third_quartile, b.max) for b in chart.elements]
    assert [tuple(map(float, box)) for box in told] == [(1, 2.25, 3.5, 4.75, 5), (2, 4, 6, 8, 10)]
    assert [list(map(float, box.outliers)) for box in chart.elements] == [[20], []]
    if vertical:
        assert [box.label for box in chart.elements] == ["A", "B"]


def test_several_charts_in_one_figure(one: Sandbox) -> None:
    chart = chart_of(
        one,
        "figure, (left, right) = plt.subplots(1, 2); figure.suptitle('Both')\n"
        "left.plot([1, 2], [3, 4], label='l'); left.set_title('Left')\n"
        "right.bar(['a', 'b'], [5, 6])",
    )
    assert (chart.type, chart.title) == (ChartType.SUPERCHART, "Both")
    left, right = chart.elements
    assert (left.type, left.title, points(left)) == (
        ChartType.LINE,
        "Left",
        {"l": [(1, 3), (2, 4)]},
    )
    assert right.type == ChartType.BAR
    assert [(bar.label, bar.value) for bar in right.elements] == [("a", 5), ("b", 6)]


@pytest.mark.parametrize(
    ("call", "scales"),
    [
        ("semilogx", ("log", "linear")),
        ("semilogy", ("linear", "log")),
        ("loglog", ("log", "log")),
    ],
)
def test_logarithmic_scales(one: Sandbox, call: str, scales: tuple[str, str]) -> None:
    chart = chart_of(one, f"plt.{call}([1, 10, 100], [2, 20, 200], label='l')")
    assert (chart.x_scale, chart.y_scale) == tuple(map(ScaleType, scales))
    assert points(chart) == {"l": [(1, 2), (10, 20), (100, 200)]}


@pytest.mark.parametrize("scale", ["symlog", "logit", "asinh"])
def test_other_scales(one: Sandbox, scale: str) -> None:
    chart = chart_of(one, f"plt.plot([0.1, 0.2], [0.3, 0.4], label='l'); plt.yscale({scale!r})")
    assert chart.y_scale == ScaleType(scale)


@pytest.mark.parametrize(
    "days",
    [
        "[datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]",
        "np.array(['2026-01-01', '2026-01-02'], dtype='datetime64[D]')",
        "pd.date_range('2026-01-01', periods=2)",
    ],
)
def test_dates(one: Sandbox, days: str) -> None:
    chart = chart_of(one, f"plt.plot({days}, [3, 4], label='l')")
    assert (chart.x_scale, chart.y_scale) == (ScaleType.DATETIME, ScaleType.LINEAR)
    (told,) = points(chart).values()
    assert [(str(when)[:10], value) for when, value in told] == [
        ("2026-01-01", 3),
        ("2026-01-02", 4),
    ]
    assert all(str(tick).startswith("2026-01-0") for tick in chart.x_ticks)


def test_categories(one: Sandbox) -> None:
    chart = chart_of(one, "plt.plot(['low', 'mid', 'high'], [1, 2, 3], label='l')")
    assert chart.x_scale == ScaleType.CATEGORICAL
    assert chart.x_tick_labels == ["low", "mid", "high"]
    assert points(chart) == {"l": [("low", 1), ("mid", 2), ("high", 3)]}


def test_what_is_none_of_these_is_unknown(one: Sandbox) -> None:
    chart = chart_of(one, "plt.contour([[1, 2], [3, 4]]); plt.title('Heights')")
    assert (chart.type, chart.title, chart.elements) == (ChartType.UNKNOWN, "Heights", [])


def test_a_plot_of_pandas(one: Sandbox) -> None:
    chart = chart_of(one, "pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).plot()")
    assert points(chart) == {"a": [(0, 1), (1, 2)], "b": [(0, 3), (1, 4)]}


def test_plots_of_seaborn(one: Sandbox) -> None:
    line = chart_of(one, "sns.lineplot(x=[1, 2, 3], y=[4, 5, 6], errorbar=None)")
    assert line.type == ChartType.LINE
    assert [tuple(map(float, point)) for point in line.elements[0].points] == [
        (1, 4),
        (2, 5),
        (3, 6),
    ]
    bars = chart_of(one, "sns.barplot(x=['a', 'b'], y=[1, 2], errorbar=None)")
    assert (bars.type, [bar.value for bar in bars.elements]) == (ChartType.BAR, [1, 2])
    dots = chart_of(one, "sns.scatterplot(x=[1, 2], y=[3, 4])")
    assert (dots.type, dots.elements[0].points) == (ChartType.SCATTER, [(1, 3), (2, 4)])


def test_figures_without_data_and_many_at_once(one: Sandbox) -> None:
    (empty,) = one.run_code("plt.figure(); plt.show()").results
    assert (empty.png, empty.chart) == (None, None)
    assert "0 Axes" in empty.text
    (blank,) = one.run_code("plt.subplots(); plt.show()").results
    assert (blank.png is not None, blank.chart) == (True, None)
    two = one.run_code(
        "plt.figure(); plt.plot([1, 2])\nplt.figure(); plt.bar(['a'], [1])\nplt.show()"
    )
    assert [result.chart.type for result in two.results if result.chart] == [
        ChartType.LINE,
        ChartType.BAR,
    ]


def test_not_a_number_comes_as_nothing(one: Sandbox) -> None:
    execution = one.run_code("plt.plot([0, 1, 2], [1, np.nan, np.inf], label='l'); plt.show()")
    assert execution.error is None
    figure = next(result for result in execution.results if result.png)
    assert figure.chart is not None
    assert [value for _, value in figure.chart.elements[0].points] == [1, None, None]
