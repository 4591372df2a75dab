"""Parameters of the recipes that learn: regression, classification, clustering."""

import re

from capibara6.codegen.recipes import phrases
from capibara6.codegen.recipes.asked import CATEGORIES_MAX, Asked, is_identifier, is_year
from capibara6.codegen.recipes.choice import Choice, file_stem, names, needs, word
from capibara6.domain.requests import Column
from capibara6.language.mentions import Mention

SEED = 0
ROWS_MAX = 20_000

# "from", "using", "a partir de": what stands behind is known, what stands before is looked for.
_GIVEN = re.compile(
    r"\b(from|using|based on|given|with|on|a partir del?|con|usando|segun|sobre|en funcion del?"
    r"|por medio del?)\b"
)


def choose_regression(asked: Asked) -> Choice:
    """Predict a number; a column of words goes to the classification."""
    target, features = _target(asked)
    if target is None:
        raise needs(asked, "number", "the column to predict", "la columna que predecir")
    if target.kind in ("text", "boolean"):
        return classification(asked, target.name, names(features))
    return regression(asked, target.name, names(features))


def choose_classification(asked: Asked) -> Choice:
    """Predict a class; a column with many different numbers goes to the regression."""
    target, features = _target(asked, classes=True)
    if target is None:
        raise needs(asked, "text", "the column to predict", "la columna que predecir")
    if target.kind == "number" and target.distinct > 20:
        return regression(asked, target.name, names(features))
    return classification(asked, target.name, names(features))


def choose_clustering(asked: Asked) -> Choice:
    """By which numbers, into how many groups, and what names the rows."""
    measures = [c for c in asked.measures() if not is_identifier(c)]
    if asked.columns and not measures:
        measures = [
            c for c in asked.columns
            if c.kind == "number" and c.distinct > 1 and not is_year(c) and not is_identifier(c)
        ]  # fmt: skip
        if not measures:
            raise needs(asked, "number", "a column of numbers", "una columna de números")
        measures = [] if len(measures) > 30 else measures
    return clustering(asked, names(measures), phrases.clusters(asked.text))


def clustering(asked: Asked, features: list[str], clusters: int | None) -> Choice:
    """By some columns, empty for all that fit, into so many groups; None: as many as fit best."""
    labels = [column for column in asked.categories() if column.distinct > CATEGORIES_MAX // 2]
    label = next(iter(labels), None) or asked.label_column()
    stem = file_stem(asked)
    return Choice(
        "clustering",
        {
            "FEATURES": features,
            "CLUSTERS": clusters,
            "LABEL": label.name if label else None,
            "LOGARITHMS": True,
            "OUTPUT": f"/home/user/{stem}_{word(asked, 'clusters', 'grupos')}.csv",
            "ROWS_MAX": ROWS_MAX,
            "SEED": SEED,
        },
    )


def regression(asked: Asked, target: str, features: list[str]) -> Choice:
    """Predict a number from some columns, or from all."""
    return Choice("regression", {"TARGET": target, "FEATURES": features, **_model(asked)})


def classification(asked: Asked, target: str, features: list[str]) -> Choice:
    """Predict a class from some columns, or from all."""
    return Choice(
        "classification",
        {
            "TARGET": target,
            "FEATURES": features,
            **_model(asked),
            "ROWS_PER_CLASS_MIN": 10,
            "CLASSES_MAX": 20,
        },
    )


def _model(asked: Asked) -> dict[str, object]:
    stem = file_stem(asked)
    file = f"/home/user/{stem}_{word(asked, 'model', 'modelo')}.joblib"
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
    label = asked.label_column()
    target = next(
        (c for c in candidates if c.kind in kinds and not is_identifier(c) and c != label),
        candidates[0],
    )
    features = [mention.columns[0] for mention in after]
    return target, [column for column in features if column.name != target.name]
