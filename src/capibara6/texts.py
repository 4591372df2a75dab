"""Everything the faces and the pipeline say to a person, in Spanish and English.

Owns the words, not the decision when to say them. Programs of recipes and prompts to models keep
their own texts. `say` is the only way in; a test checks that both languages hold the same keys and
the same fields.
"""

from typing import Final

LANGUAGES: Final = ("es", "en")
DEFAULT_LANGUAGE: Final = "en"

TEXTS: Final[dict[str, dict[str, str]]] = {
    # -- answers -----------------------------------------------------------------------------
    "no_model_used": {
        "en": "(No model was used: this is the answer of the recipe “{recipe}”.)",
        "es": "(No se usó ningún modelo: responde la receta «{recipe}».)",
    },
    "conversation": {
        "en": (
            "That is conversation, not a task for a program, so I ran nothing and have no answer "
            "to offer. I answer by writing and running programs: ask something that can be "
            "computed, best with a data file (CSV, Excel, Parquet or JSON); for example "
            "“which columns are correlated?”."
        ),
        "es": (
            "Eso es conversación, no una tarea para un programa, así que no ejecuté nada ni tengo "
            "una respuesta que dar. Respondo escribiendo y ejecutando programas: pregunta algo "
            "que se pueda calcular, mejor con un archivo de datos (CSV, Excel, Parquet o JSON); "
            "por ejemplo «¿qué columnas están correlacionadas?»."
        ),
    },
    "nothing_printed": {
        "en": "The program ended without printing anything.",
        "es": "El programa terminó sin imprimir nada.",
    },
    "program_failed": {
        "en": "The program failed (attempt {attempts}): {cause} {hint}",
        "es": "El programa falló (intento {attempts}): {cause} {hint}",
    },
    "cancelled": {
        "en": "The run was cancelled before it ended; its sandbox was killed.",
        "es": "La ejecución se canceló antes de terminar; su entorno aislado fue eliminado.",
    },
    "internal": {
        "en": "An unexpected fault in the platform ({fault}). The log holds the details.",
        "es": "Un fallo inesperado de la plataforma ({fault}). El registro tiene los detalles.",
    },
    "silent_cause": {
        "en": "The program printed nothing and displayed nothing.",
        "es": "El programa no imprimió ni mostró nada.",
    },
    "silent_hint": {
        "en": "Print the answer to the question with print().",
        "es": "Imprime la respuesta a la pregunta con print().",
    },
    "writer_hint": {
        "en": "Another tier is asked, if one is configured.",
        "es": "Se pregunta a otro nivel, si hay uno configurado.",
    },
}


def say(key: str, language: str, **fields: object) -> str:
    """The text `key` in `language` ("es" | "en"; any other reads English), with its fields."""
    versions = TEXTS[key]
    return versions.get(language, versions[DEFAULT_LANGUAGE]).format(**fields)
