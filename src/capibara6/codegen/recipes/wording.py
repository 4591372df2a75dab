"""What the recipes say to the user, in Spanish and English."""

from collections.abc import Mapping, Sequence

from capibara6.codegen.recipes.choice import Choice

_TITLES = {
    "profile": ("what the table holds", "qué contiene la tabla"),
    "clean": ("clean the table", "limpiar la tabla"),
    "describe": ("summary of columns", "resumen de columnas"),
    "group": ("values by group", "valores por grupo"),
    "correlate": ("relationship between columns", "relación entre columnas"),
    "distribution": ("distribution of a column", "distribución de una columna"),
    "time_series": ("change over time", "evolución en el tiempo"),
    "compare": ("comparison of groups", "comparación de grupos"),
    "outliers": ("unusual values", "valores atípicos"),
    "regression": ("prediction of a number", "predicción de un número"),
    "classification": ("prediction of a class", "predicción de una clase"),
    "clustering": ("groups of similar rows", "grupos de filas parecidas"),
}
_PARAMETERS = {
    "COLUMNS": ("columns", "columnas"),
    "COLUMN": ("column", "columna"),
    "STATISTIC": ("statistic", "estadístico"),
    "GROUP_BY": ("by", "por"),
    "GROUP": ("groups of", "grupos de"),
    "LEVELS": ("between", "entre"),
    "VALUE": ("value", "valor"),
    "AGGREGATE": ("aggregated by", "agregado por"),
    "TOP": ("shown at most", "se muestran como mucho"),
    "TARGET": ("target", "objetivo"),
    "FEATURES": ("from", "a partir de"),
    "CLUSTERS": ("number of groups", "número de grupos"),
    "DATE": ("date", "fecha"),
    "FREQUENCY": ("every", "cada"),
    "FORECAST": ("periods ahead", "periodos por delante"),
}


_CHOOSERS = (
    {
        "rules": "rules",
        "model": "the model",
        "both": "rules, and by the model where they are not sure",
    },
    {"rules": "las reglas", "model": "el modelo", "both": "las reglas y, si dudan, el modelo"},
)


def _say(language: str, english: str, spanish: str) -> str:
    return spanish if language == "es" else english


def explain(
    choice: Choice, language: str, alternatives: Sequence[str] = (), model: str | None = None
) -> str:
    """Say which recipe answers, with which parameters, and whether a model was used.

    Args:
        choice: recipe and parameters.
        language: "es" or "en".
        alternatives: other columns that the question's words could mean.
        model: which chose; None: rules did.
    """
    side = 1 if language == "es" else 0
    details = "; ".join(
        f"{_PARAMETERS[name][side]}: {_written(value)}"
        for name, value in choice.parameters.items()
        if name in _PARAMETERS and value not in (None, [], 0)
    )
    title = _TITLES[choice.recipe][side]
    details = f" ({details})" if details else ""
    other = _written(list(alternatives))
    english = f"The model {model} chose: the" if model else "No model was used: the"
    spanish = f"Lo eligió el modelo {model}:" if model else "No se usó ningún modelo:"
    return _say(
        language,
        f"{english} recipe “{choice.recipe}” answers, {title}{details}."
        + (f" Other columns that could be meant: {other}." if other else ""),
        f"{spanish} responde la receta «{choice.recipe}», {title}{details}."
        + (f" Otras columnas que podrían ser: {other}." if other else ""),
    )


def _written(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split())


def not_about_data(language: str) -> str:
    """For questions that are no data analysis."""
    return _say(
        language,
        "The recipes only answer questions about a table, and this does not read like one. "
        "Ask about your data (for example “average price by region”), or configure a model "
        "in e2b_config.json.",
        "Las recetas solo responden preguntas sobre una tabla, y esta no lo parece. "
        "Pregunte por sus datos (por ejemplo «precio medio por región») o configure un modelo "
        "en e2b_config.json.",
    )


def why_chosen_by(language: str, policy: str, model: str, shares: Mapping[str, float]) -> str:
    """Say who chooses recipes, by the shares of right choices that were measured."""
    names = _CHOOSERS[1 if language == "es" else 0]
    told = ", ".join(f"{names[name]} {share:.0%}" for name, share in shares.items())
    return _say(
        language,
        f"Recipes are chosen by {names[policy]}; measured with {model}: {told} right.",
        f"Las recetas las eligen {names[policy]}; medido con {model}, aciertos: {told}.",
    )


def model_failed(language: str, model: str, problem: str) -> str:
    """For a model that was to choose and did not."""
    return _say(
        language,
        f"The model {model} was asked and gave no choice ({problem}); the rules chose.",
        f"Se preguntó al modelo {model} y no eligió nada ({problem}); eligieron las reglas.",
    )


def model_found_none(language: str, model: str) -> str:
    """For a question that the model says no recipe answers."""
    return _say(
        language,
        f"No recipe answers this, says the model {model}, which chooses recipes here. Ask about "
        "the columns of your data, or configure a model in e2b_config.json that writes programs.",
        f"Ninguna receta responde a esto, según el modelo {model}, que aquí elige las recetas. "
        "Pregunte por las columnas de sus datos o configure en e2b_config.json un modelo que "
        "escriba programas.",
    )


def no_table(language: str, names: Sequence[str]) -> str:
    """For questions without a file, or without one that is a table."""
    given = ", ".join(names) or "-"
    return _say(
        language,
        f"A recipe needs a table to work on; files given: {given}. "
        "Add a CSV, TSV, JSON, Excel or Parquet file (--data FILE).",
        f"Una receta necesita una tabla; archivos dados: {given}. "
        "Añada un archivo CSV, TSV, JSON, Excel o Parquet (--data ARCHIVO).",
    )


def unknown_columns(language: str, name: str) -> str:
    """For Excel and Parquet files, whose columns are only seen in the sandbox."""
    return _say(
        language,
        f"The columns of {name} are only known inside the sandbox, so this recipe cannot choose "
        "among them. Ask for an overview, a cleaning, a summary, correlations, outliers or "
        "clusters, or save the table as CSV.",
        f"Las columnas de {name} solo se conocen dentro del sandbox, y esta receta no puede "
        "elegir entre ellas. Pida un resumen general, una limpieza, estadísticas, correlaciones, "
        "valores atípicos o grupos, o guarde la tabla como CSV.",
    )


def failed(language: str, origin: str, cause: str) -> str:
    """For a recipe that failed and that no other can replace."""
    recipe = origin.partition(":")[2]
    return _say(
        language,
        f"The recipe “{recipe}” could not answer ({cause}), and no other recipe applies. "
        "Ask about other columns, or configure a model in e2b_config.json.",
        f"La receta «{recipe}» no pudo responder ({cause}), y ninguna otra sirve. "
        "Pregunte por otras columnas o configure un modelo en e2b_config.json.",
    )
