"""For each recipe: which parameters a question sets, and when another recipe fits better.

Every function takes what was asked and returns a `Choice`; where the data cannot answer, it raises
NoRecipeError and names the columns that could.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from capibara6.codegen.recipes import phrases
from capibara6.codegen.recipes.asked import (
    CATEGORIES_MAX,
    Asked,
    default_aggregate,
    is_identifier,
    is_year,
)
from capibara6.domain.requests import Column
from capibara6.errors import NoRecipeError
from capibara6.language.mentions import Mention

SEED = 0
ROWS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe with its parameters; `grouping` is the column whose values are no conditions."""

    recipe: str
    parameters: dict[str, object] = field(default_factory=dict)
    grouping: str | None = None


# "from", "using", "a partir de": what stands behind is known, what stands before is looked for.
_GIVEN = re.compile(
    r"\b(from|using|based on|given|with|on|a partir del?|con|usando|segun|sobre|en funcion del?"
    r"|por medio del?)\b"
)
_CHARTS = (
    ("correlate", r"\b(scatter\w*|dispersion|heat ?map|mapa de calor|against|frente al?|nube)\b"),
    ("distribution", r"\b(histogram\w*|density|densidad)\b"),
    ("compare", r"\b(box ?plots?|boxplots?|(diagrama|grafico) de cajas?|violin\w*|bigotes)\b"),
    ("time_series", r"\b(line (chart|plot|graph)|lineas?|over time|evolucion|a lo largo)\b"),
    ("group", r"\b(bars?|barras?|pie|tarta|sectores|columns chart|pastel|circular)\b"),
)  # fmt: skip


def choose_profile(asked: Asked) -> Choice:
    """No parameters."""
    return Choice("profile")


def choose_clean(asked: Asked) -> Choice:
    """Name the cleaned file after the data."""
    return Choice(
        "clean", {"OUTPUT": f"/home/user/{_file_stem(asked)}_{_word(asked, 'clean', 'limpio')}.csv"}
    )


def choose_describe(asked: Asked) -> Choice:
    """One statistic of the named columns, or a summary."""
    statistic = phrases.aggregate(asked.text)
    measures, categories = asked.measures(), asked.categories()
    if statistic is None and measures:
        statistic = phrases.extreme(asked.text)
    if statistic in ("count", "nunique"):
        things = categories or measures if statistic == "nunique" else categories
        if things:
            return Choice("describe", {"COLUMNS": _names(things), "STATISTIC": "nunique"})
        return Choice("describe", {"COLUMNS": [], "STATISTIC": "count"})
    named = measures or ([] if statistic else categories)
    if statistic and not named and asked.columns:
        measure = asked.main_measure()
        named = [measure] if measure else []
    if (
        len(
            set(
                re.findall(
                    r"\b(mean|median|media|mediana|desviacion|deviation|rango)\b", asked.text
                )
            )
        )
        > 1
    ):
        statistic = None
    return Choice("describe", {"COLUMNS": _names(named), "STATISTIC": statistic})


def choose_group(asked: Asked) -> Choice:
    """Groups, the value in them, how it is aggregated, and how many groups to show."""
    by = [m for m in asked.mentions if asked.after_by(m) or asked.after_which(m)]
    groups = asked.categories() or [m.columns[0] for m in by if _makes_groups(m.columns[0])]
    measures = [column for column in asked.measures() if column not in groups]
    statistic = phrases.aggregate(asked.text)
    if not groups and (any(m.best("date").kind == "date" for m in by) or _by_time(asked)):
        return choose_time_series(asked)
    if not groups and (label := asked.label_column()):
        groups = [label]
    if not groups:
        raise _needs(asked, "text", "a column to group by", "una columna por la que agrupar")
    value = measures[0] if measures and statistic != "count" else None
    if statistic == "nunique" and len(groups) > 1:
        value, groups = groups[0], groups[1:]
    if value is None:
        statistic = "count"
    elif statistic in (None, "count"):
        statistic = default_aggregate(value)
    return Choice(
        "group",
        {
            "GROUP_BY": _names(groups[:2]),
            "VALUE": value.name if value else None,
            "AGGREGATE": statistic,
            "TOP": _top(asked),
            "ASCENDING": phrases.extreme(asked.text) == "min",
        },
    )


def choose_correlate(asked: Asked) -> Choice:
    """The named pair, all pairs with the one that is named, or all pairs."""
    measures, categories = asked.measures(), asked.categories()
    if len(measures) == 1 and categories:
        return choose_compare(asked)
    if asked.columns and sum(column.kind == "number" for column in asked.columns) < 2:
        raise _needs(asked, "number", "two columns of numbers", "dos columnas de números")
    return Choice(
        "correlate",
        {
            "COLUMNS": _names(measures) if len(measures) > 1 else [],
            "TARGET": measures[0].name if len(measures) == 1 else None,
        },
    )


def choose_distribution(asked: Asked) -> Choice:
    """One column: the first that is named."""
    named = [m.best("number", "text") for m in asked.mentions if not asked.after_by(m)]
    column = next(iter(named or asked.categories()), None) or asked.main_measure()
    if column is None:
        raise _needs(asked, "number", "the column to look at", "la columna que mirar")
    return Choice("distribution", {"COLUMN": column.name, "BINS": None, "TOP": 15})


def choose_time_series(asked: Asked) -> Choice:
    """The date, what is followed, by which periods, how far ahead."""
    dates = asked.dates()
    if not dates:
        raise _needs(asked, "date", "a column of dates or years", "una columna de fechas o años")
    measures = [c for c in asked.measures() if c != dates[0] and not is_year(c)]
    statistic = phrases.aggregate(asked.text)
    value = measures[0] if measures and statistic != "count" else None
    if value is not None and statistic not in ("sum", "mean", "median", "min", "max"):
        statistic = default_aggregate(value)
    unit = phrases.frequency(asked.text)
    if dates[0].kind == "number":
        unit = None
    return Choice(
        "time_series",
        {
            "DATE": dates[0].name,
            "VALUE": value.name if value else None,
            "AGGREGATE": statistic if value else "sum",
            "FREQUENCY": unit,
            "FORECAST": phrases.horizon(asked.text),
        },
    )


def choose_compare(asked: Asked) -> Choice:
    """A value between the groups of a column, or between the groups that are named."""
    by_column: dict[str, list[str]] = {}
    for mention in asked.values:
        by_column.setdefault(mention.column, []).append(mention.value)
    named = max(by_column, key=lambda name: len(by_column[name]), default=None)
    levels = list(dict.fromkeys(by_column[named])) if named else []
    categories = _names(asked.categories())
    group = named if len(levels) > 1 else next(iter(categories), named)
    measures = [column for column in asked.measures() if not is_year(column)]
    if group is None and len(measures) > 1:
        return choose_correlate(asked)
    group = group or _small_category(asked)
    if group is None:
        raise _needs(asked, "text", "a column of groups to compare", "una columna de grupos")
    value = measures[0] if measures else asked.main_measure()
    if value is None:
        raise _needs(asked, "number", "a column of numbers to compare", "una columna de números")
    return Choice(
        "compare",
        {
            "VALUE": value.name,
            "GROUP": group,
            "LEVELS": levels if group == named and len(levels) > 1 else [],
            "GROUPS_MAX": 8,
        },
        grouping=group,
    )


def choose_outliers(asked: Asked) -> Choice:
    """The named columns of numbers, or all of them."""
    if asked.columns and not any(column.kind == "number" for column in asked.columns):
        raise _needs(asked, "number", "a column of numbers", "una columna de números")
    return Choice(
        "outliers", {"COLUMNS": _names(asked.measures()), "TOP": phrases.top(asked.text) or 10}
    )


def choose_regression(asked: Asked) -> Choice:
    """Predict a number; a column of words goes to the classification."""
    target, features = _target(asked)
    if target is None:
        raise _needs(asked, "number", "the column to predict", "la columna que predecir")
    if target.kind in ("text", "boolean"):
        return _classify(asked, target, features)
    return Choice(
        "regression", {"TARGET": target.name, "FEATURES": _names(features), **_model(asked)}
    )


def choose_classification(asked: Asked) -> Choice:
    """Predict a class; a column with many different numbers goes to the regression."""
    target, features = _target(asked, classes=True)
    if target is None:
        raise _needs(asked, "text", "the column to predict", "la columna que predecir")
    if target.kind == "number" and target.distinct > 20:
        return Choice(
            "regression", {"TARGET": target.name, "FEATURES": _names(features), **_model(asked)}
        )
    return _classify(asked, target, features)


def choose_clustering(asked: Asked) -> Choice:
    """By which numbers, into how many groups, and what names the rows."""
    measures = [c for c in asked.measures() if not is_identifier(c)]
    if asked.columns and not measures:
        measures = [
            c for c in asked.columns
            if c.kind == "number" and c.distinct > 1 and not is_year(c) and not is_identifier(c)
        ]  # fmt: skip
        if not measures:
            raise _needs(asked, "number", "a column of numbers", "una columna de números")
        measures = [] if len(measures) > 30 else measures
    names = [column for column in asked.categories() if column.distinct > CATEGORIES_MAX // 2]
    label = next(iter(names), None) or asked.label_column()
    stem = _file_stem(asked)
    return Choice(
        "clustering",
        {
            "FEATURES": _names(measures),
            "CLUSTERS": phrases.clusters(asked.text),
            "LABEL": label.name if label else None,
            "LOGARITHMS": True,
            "OUTPUT": f"/home/user/{stem}_{_word(asked, 'clusters', 'grupos')}.csv",
            "ROWS_MAX": ROWS_MAX,
            "SEED": SEED,
        },
    )


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
        raise _needs(asked, "number", "the columns to draw", "las columnas que dibujar")
    if chart == "correlate" and len(measures) == 1 and not categories:
        chart = "distribution"
    return CHOOSERS[chart](asked)


CHOOSERS: dict[str, Callable[[Asked], Choice]] = {
    "profile": choose_profile,
    "clean": choose_clean,
    "describe": choose_describe,
    "group": choose_group,
    "correlate": choose_correlate,
    "distribution": choose_distribution,
    "time_series": choose_time_series,
    "compare": choose_compare,
    "outliers": choose_outliers,
    "regression": choose_regression,
    "classification": choose_classification,
    "clustering": choose_clustering,
    "visualization": choose_visualization,
}
# These need no columns to be known, so they also serve files that only the sandbox can read.
WITHOUT_COLUMNS = frozenset(("profile", "clean", "describe", "correlate", "outliers", "clustering"))


def _classify(asked: Asked, target: Column, features: list[Column]) -> Choice:
    return Choice(
        "classification",
        {
            "TARGET": target.name,
            "FEATURES": _names(features),
            **_model(asked),
            "ROWS_PER_CLASS_MIN": 10,
            "CLASSES_MAX": 20,
        },
    )


def _model(asked: Asked) -> dict[str, object]:
    stem = _file_stem(asked)
    file = f"/home/user/{stem}_{_word(asked, 'model', 'modelo')}.joblib"
    return {"MODEL_FILE": file, "ROWS_MAX": ROWS_MAX, "SEED": SEED}


def _target(asked: Asked, classes: bool = False) -> tuple[Column | None, list[Column]]:
    """Split the mentions at "from", "using", "a partir de": what is looked for, what is known."""
    before, after = list(asked.mentions), list[Mention]()
    for split in _GIVEN.finditer(asked.text):
        head = [mention for mention in asked.mentions if mention.end <= split.start()]
        if head:
            before, after = head, [m for m in asked.mentions if m.start >= split.end()]
            break
    if not before:
        return None, []
    kinds = ("text", "boolean") if classes else ("number", "text", "boolean")
    candidates = [mention.best(*kinds) for mention in before]
    target = next(
        (c for c in candidates if c.kind in kinds and not is_identifier(c)), candidates[0]
    )
    features = [mention.columns[0] for mention in after]
    return target, [column for column in features if column.name != target.name]


def _makes_groups(column: Column) -> bool:
    """Years and numbers with few different values group rows; measurements do not."""
    return column.kind == "number" and (is_year(column) or column.distinct <= CATEGORIES_MAX)


def _by_time(asked: Asked) -> bool:
    return phrases.frequency(asked.text) is not None and bool(asked.dates())


def _top(asked: Asked) -> int | None:
    wanted = phrases.top(asked.text)
    return wanted or (None if phrases.wants_all(asked.text) else 10)


def _small_category(asked: Asked) -> str | None:
    small = [
        c
        for c in asked.columns
        if c.kind in ("text", "boolean") and 2 <= c.distinct <= CATEGORIES_MAX
    ]
    return min(small, key=lambda column: column.distinct).name if small else None


def _names(columns: list[Column]) -> list[str]:
    return [column.name for column in columns]


def _file_stem(asked: Asked) -> str:
    return asked.file.name.rsplit(".", 1)[0]


def _word(asked: Asked, english: str, spanish: str) -> str:
    return spanish if asked.language == "es" else english


def _needs(asked: Asked, kind: str, english: str, spanish: str) -> NoRecipeError:
    """Say what is missing and which columns could serve."""
    kinds = ("text", "boolean") if kind == "text" else (kind,)
    fitting = ", ".join(c.name for c in asked.columns[:200] if c.kind in kinds) or "-"
    if asked.language == "es":
        return NoRecipeError(
            f"La pregunta necesita {spanish}, y no la encuentro en {asked.file.name}. "
            f"Columnas que podrían servir: {fitting}. Nombre una en la pregunta."
        )
    return NoRecipeError(
        f"The question needs {english}, and I do not find it in {asked.file.name}. "
        f"Columns that could serve: {fitting}. Name one in the question."
    )
