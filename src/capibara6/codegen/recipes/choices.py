"""For each task: which recipe answers with which parameters.

Every chooser takes what was asked and returns a `Choice`; where another recipe fits better it
returns that one, and where the data cannot answer it raises NoRecipeError and names the columns
that could.
"""

import re
from collections.abc import Callable

from capibara6.codegen.recipes import descriptive, learning, wording
from capibara6.codegen.recipes.asked import Asked, is_year, read_question
from capibara6.codegen.recipes.choice import Choice, needs
from capibara6.domain.requests import Request, Route
from capibara6.errors import NoRecipeError

_CHARTS = (
    ("correlate", r"\b(scatter\w*|dispersion|heat ?map|mapa de calor|against|frente al?|nube)\b"),
    ("distribution", r"\b(histogram\w*|density|densidad)\b"),
    ("compare", r"\b(box ?plots?|boxplots?|(diagrama|grafico) de cajas?|violin\w*|bigotes)\b"),
    ("time_series", r"\b(line (chart|plot|graph)|lineas?|over time|evolucion|a lo largo)\b"),
    ("group", r"\b(bars?|barras?|pie|tarta|sectores|columns chart|pastel|circular)\b"),
)  # fmt: skip


def choose_visualization(asked: Asked) -> Choice:
    """The chart that is named, else the one that fits the columns."""
    chart = next((name for name, pattern in _CHARTS if re.search(pattern, asked.text)), None)
    measures, categories = asked.measures(), asked.categories()
    if chart is None and len(measures) > 1:
        chart = "correlate"
    elif chart is None and any(
        m.best("date").kind == "date" or is_year(m.columns[0]) for m in asked.mentions
    ):
        chart = "time_series"
    elif chart is None and categories:
        chart = "group"
    elif chart is None and measures:
        chart = "distribution"
    if chart is None:
        raise needs(asked, "number", "the columns to draw", "las columnas que dibujar")
    if chart == "correlate" and len(measures) == 1 and not categories:
        chart = "distribution"
    return CHOOSERS[chart](asked)


CHOOSERS: dict[str, Callable[[Asked], Choice]] = {
    "profile": descriptive.choose_profile,
    "clean": descriptive.choose_clean,
    "describe": descriptive.choose_describe,
    "group": descriptive.choose_group,
    "correlate": descriptive.choose_correlate,
    "distribution": descriptive.choose_distribution,
    "time_series": descriptive.choose_time_series,
    "compare": descriptive.choose_compare,
    "outliers": descriptive.choose_outliers,
    "regression": learning.choose_regression,
    "classification": learning.choose_classification,
    "clustering": learning.choose_clustering,
    "visualization": choose_visualization,
}
# These need no columns to be known, so they also serve files that only the sandbox can read.
WITHOUT_COLUMNS = frozenset(("profile", "clean", "describe", "correlate", "outliers", "clustering"))


def choose(request: Request, route: Route) -> tuple[Asked, Choice]:
    """Choose recipe and parameters for a request.

    Raises:
        NoRecipeError: no recipe answers, or the question lacks a column or a table.
        DataFileError: the data file cannot be read.
    """
    chooser = CHOOSERS.get(route.task)
    if chooser is None:
        raise NoRecipeError(wording.not_about_data(route.language))
    asked = read_question(request, route.language)
    if asked is None:
        raise NoRecipeError(wording.no_table(route.language, [f.name for f in request.files]))
    if not asked.columns and route.task not in WITHOUT_COLUMNS:
        raise NoRecipeError(wording.unknown_columns(route.language, asked.file.name))
    return asked, chooser(asked)
