"""Cause and hint of each class of failure, in English and Spanish. Owns the words only.

Fields in braces come from the error itself and from the request (see `diagnosis`).
"""

from typing import Final

from capibara6.repair.phrases.files import FILES
from capibara6.repair.phrases.limits import LIMITS
from capibara6.repair.phrases.packages import PACKAGES
from capibara6.repair.phrases.programs import PROGRAMS
from capibara6.repair.phrases.tables import TABLES
from capibara6.repair.phrases.values import VALUES

# By class and language: cause and hint.
PHRASES: Final[dict[str, dict[str, tuple[str, str]]]] = {
    **LIMITS,
    **PROGRAMS,
    **PACKAGES,
    **FILES,
    **TABLES,
    **VALUES,
}

MEANT: Final = {"en": " Perhaps {names}.", "es": " Quizá {names}."}
AT_LINE: Final = {"en": " (line {line}: {text})", "es": " (línea {line}: {text})"}
NOTHING_GIVEN: Final = {"en": "(none)", "es": "(ninguno)"}
COLUMNS_UNKNOWN: Final = {
    "en": "not known; print(df.columns) shows them",
    "es": "desconocidas; print(df.columns) las muestra",
}
_PACKAGES: Final = "numpy, pandas, scipy, scikit-learn, statsmodels, matplotlib, seaborn, plotly"
OTHER_PACKAGES: Final = {
    "en": f"what is there ({_PACKAGES})",
    "es": f"lo que hay ({_PACKAGES})",
}


def language_of(language: str) -> str:
    """The language in which the phrases speak; English for one they lack."""
    return language if language in MEANT else "en"
