"""Everything the faces and the pipeline say to a person, in Spanish and English.

Owns the words, not the decision when to say them. Programs of recipes and prompts to models keep
their own texts. `say` is the only way in; a test checks that both languages hold the same keys and
the same fields.
"""

from typing import Final

from capibara6.texts import of_answers, of_faces

LANGUAGES: Final = ("es", "en")
DEFAULT_LANGUAGE: Final = "en"

TEXTS: Final[dict[str, dict[str, str]]] = {**of_answers.TEXTS, **of_faces.TEXTS}


def say(key: str, language: str, **fields: object) -> str:
    """The text `key` in `language` ("es" | "en"; any other reads English), with its fields."""
    versions = TEXTS[key]
    return versions.get(language, versions[DEFAULT_LANGUAGE]).format(**fields)
