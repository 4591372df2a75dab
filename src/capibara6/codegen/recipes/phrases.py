"""Turns of phrase in questions, Spanish and English, that set a parameter of a recipe.

All functions take folded text (lower case, no accents).
"""

import re

_NUMBER_WORDS = {
    "un": 1, "uno": 1, "una": 1, "one": 1, "two": 2, "dos": 2, "three": 3, "tres": 3, "four": 4,
    "cuatro": 4, "five": 5, "cinco": 5, "six": 6, "seis": 6, "seven": 7, "siete": 7, "eight": 8,
    "ocho": 8, "nine": 9, "nueve": 9, "ten": 10, "diez": 10, "twelve": 12, "doce": 12,
    "fifteen": 15, "quince": 15, "twenty": 20, "veinte": 20,
}  # fmt: skip
_COUNT = rf"(\d{{1,4}}|{'|'.join(_NUMBER_WORDS)})"

# The first that matches wins: "number of different" before "number of".
_AGGREGATES = (
    ("nunique", r"\b(different|distinct|unique|distint[oa]s|diferentes|unic[oa]s)\b"),
    ("std", r"\b(standard deviation|std|desviacion (tipica|estandar))\b"),
    ("median", r"\b(median|mediana|typical|tipic[oa]|habitual)\b"),
    (
        "mean",
        r"\b(average|mean|avg|media|medio|medios|medias|promedio|promedios|por termino medio)\b",
    ),
    ("sum", r"\b(sum|total|totals|totales|overall|in all|suma|sumas|sumar)\b"),
    ("min", r"\b(minimum|min|minim[oa]s?)\b"),
    ("max", r"\b(maximum|max|maxim[oa]s?)\b"),
    (
        "count",
        r"\b(how many|number of|count|counts|frequency|frequencies|cuant[oa]s|numero de"
        r"|cantidad de|recuento|frecuencias?|cuenta|conteo)\b",
    ),
)
_LOWEST = re.compile(
    r"\b(lowest|coldest|youngest|least|fewest|smallest|cheapest|worst|bottom|shortest|slowest|ascending"
    r"|menor|menores|menos|peor|peores|mas bajos?|mas bajas?|mas pequenos?|mas pequenas?"
    r"|mas barat[oa]s?|mas lent[oa]s?|mas cort[oa]s?|ascendente)\b"
)
_HIGHEST = re.compile(
    r"\b(highest|hottest|oldest|most|largest|biggest|greatest|best|top|richest|longest|fastest"
    r"|mayor|mayores|mas|mejor|mejores|mas alt[oa]s?|mas grandes?|principales)\b"
)
_TOP = (
    re.compile(rf"\b(?:top|bottom|first|primer[oa]s|mejores|peores|principales|best|worst)\s+{_COUNT}\b"),
    re.compile(
        rf"\b{_COUNT}\s+(?:\w+\s+){{0,3}}?(?:mas|menos|con (?:mayor|menor|mas|menos)|with the"
        r"|highest|lowest|largest|smallest|biggest|best|worst|mejores|peores|mayores|menores"
        r"|principales|most|least|primer[oa]s)\b"
    ),
    re.compile(rf"\b(?:los|las|the)\s+{_COUNT}\s+(?!meses|months|anos|years|dias|days|cluster|grupos)\w+"),
)  # fmt: skip
_ALL = re.compile(r"\b(all|every|tod[oa]s)\b")
_CLUSTERS = re.compile(
    rf"\b(?:{_COUNT}\s+(?:\w+\s+)?(?:clusters?|clusteres|groups?|segments?|grupos|segmentos|conglomerados)"
    r"|k\s*=\s*(\d+))\b"
)
_HORIZON = re.compile(
    rf"\b(?:next|proxim[oa]s|siguientes|coming)\s+{_COUNT}\s+(\w+)|{_COUNT}\s+(\w+)\s+ahead"
)
_FORECAST = re.compile(
    r"\b(forecast\w*|project(?:ion|ions)?|pronostic\w*|prevision\w*|proyeccion\w*|prever|futuro|future)\b"
)
_EACH = "per|by|each|every|por|cada"
_FREQUENCIES = (
    ("D", rf"\b(daily|diari[oa]s?|({_EACH}) (day|dia)|days|dias)\b"),
    ("W", rf"\b(weekly|semanal(es)?|({_EACH}) (week|semanas?)|weeks|semanas)\b"),
    ("M", rf"\b(monthly|mensual(es)?|({_EACH}) (month|mes|meses)|mes a mes|months|meses)\b"),
    ("M", r"\b(seasonal|estacional)"),
    ("Q", rf"\b(quarterly|trimestral(es)?|({_EACH}) (quarter|trimestres?)|quarters|trimestres)\b"),
    ("Y", rf"\b(yearly|annual(ly)?|anual(es)?|({_EACH}) (year|anos?)|years|anos)\b"),
)


def _value(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBER_WORDS[text]


def aggregate(text: str) -> str | None:
    """Which statistic is asked for, if any is named."""
    return next((name for name, pattern in _AGGREGATES if re.search(pattern, text)), None)


def extreme(text: str) -> str | None:
    """`"max"` or `"min"` for superlatives such as "the highest" and "el menor"."""
    if _LOWEST.search(text):
        return "min"
    return "max" if _HIGHEST.search(text) else None


def top(text: str) -> int | None:
    """How many groups are asked for: "top 5", "los 10 mejores", "five states with the most"."""
    for pattern in _TOP:
        if match := pattern.search(text):
            return _value(match[1]) or None
    return None


def wants_all(text: str) -> bool:
    """Whether every group is wanted."""
    return bool(_ALL.search(text))


def clusters(text: str) -> int | None:
    """How many clusters are asked for."""
    match = _CLUSTERS.search(text)
    count = _value(match[1] or match[2]) if match else 0
    return count if 2 <= count <= 50 else None


def horizon(text: str) -> int:
    """How many periods ahead to forecast; 0 when nothing of the future is asked."""
    if match := _HORIZON.search(text):
        return min(_value(match[1] or match[3]), 120)
    return 6 if _FORECAST.search(text) else 0


def frequency(text: str) -> str | None:
    """Periods of a time series: D, W, M, Q or Y."""
    if match := _HORIZON.search(text):
        text = match[0] + " " + text
    return next((name for name, pattern in _FREQUENCIES if re.search(pattern, text)), None)


def periods(text: str) -> list[tuple[int, int]]:
    """Where periods of time stand, such as "per month"."""
    return [match.span() for _, pattern in _FREQUENCIES for match in re.finditer(pattern, text)]
