"""What requests without data say about their task, beyond the rules for all requests.

Without a file a request may still be about data (which it names), a calculation with numbers of its
own, a program, a picture or a model to train; or plain conversation, which needs no program. Spanish
and English stand side by side, so that neither falls behind.
"""

import re
from typing import Final

from capibara6.domain.tasks import FAMILIES
from capibara6.routing.rules import rule, weigh

_DATA: Final = re.compile(
    r"\b(?:csv|tsv|xlsx?|excel|parquet|json|spreadsheets?|hojas? de calculo|data ?sets?|data"
    r"|conjuntos? de datos|datos|tablas?|tables?|columns?|columnas?|rows?|filas?|files?|archivos?"
    r"|ficheros?|registros?|records|ledger|libro de cuentas|series?|survey|encuesta)\b"
)
_SOURCE: Final = re.compile(
    r"```|>>> |\bdef \w+\(|\bfor \w+ in \w|\bimport \w+\n|\bclass \w+[:(]|#include|=>|\breturn \w"
)
_NUMERAL: Final = re.compile(
    r"(?<!\d)(?!(?:1\d|20)\d\d\b)\d+(?:[.,]\d+)*|\b(?:half|halves|thirds?|quarters?|twice|thrice|double|triple|dozen|two|three"
    r"|four|five|six|seven|eight|nine|ten|twenty|hundred|thousand|mitad|tercios?|cuartos?|doble"
    r"|docenas?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|veinte|cien|ciento|mil|veces)\b"
)
_RULES: Final = (
    # Calculations and programs
    rule("code", 3, r"(?:convert|convierte|pasa) \d"),
    rule("code", 2.5, r"(?:debug|depura|refactor\w*|compil\w+|bug|script|password|contrasena)\b"),
    rule("code", 3, r"(?:regular expressions?|expresion(?:es)? regular(?:es)?|sort the list|ordena la lista)\b"),
    rule("code", 2.5, r"(?:print|imprime|list|enumera|generate|genera|count|cuenta)(?: (?!about|sobre)\w+){0,5} (?:numbers?|numeros?|primes?|primos?|digits?|digitos?|squares?|cuadrados?|fibonacci)\b"),
    # Pictures
    rule("visualization", 4, r"(?:plot|chart|draw|graph|visuali[sz]e|histogram|heat ?map|scatter|bubble|box ?plot)\w*\b"),
    rule("visualization", 4, r"(?:dibuja|grafic|diagrama|histograma|mapas? de calor|visualiza|representa (?:grafica|en una))\w*\b"),
    rule("visualization", 3, r"(?:picture|figure|figura|map of|mapa de)\b"),
    # Models to train
    rule("classification", 4, r"(?:random forest|bosque\w* aleatori\w*|gradient boosting|decision tree|arbol(?:es)? de decision|neural net\w*|red(?:es)? neuronal(?:es)?|xgboost|svm|supervis\w+)\b"),
    rule("classification", 3.5, r"(?:cross.validat\w+|validacion cruzada|valida de forma cruzada|confusion matrix|matriz de confusion|hyper-?parameters?|hiperparametros?|machine learning|aprendizaje automatico)\b"),
    rule("classification", 2.5, r"(?:(?:train|fit|build|entrena|ajusta|construye)\b.{0,30}\b(?:model|classifier|modelo|clasificador)|(?:probability|probabilidad) (?:of|de) \w+\b.{0,40}\b(?:model|modelo|each|cada))"),
    rule("clustering", 3.5, r"(?:pca|segment (?:the|users|customers)|segmenta)\b"),
    # Data
    rule("outliers", 3, r"(?:unusual|inusual\w*|anomal\w+|atipic\w+)\b"),
    rule("clean", 3, r"(?:fill|rellena) (?:the|in|las|los)? ?(?:empty|missing|celdas|huecos|valores)"),
    rule("group", 3, r"(?:pivot|pivota)\b"),
    # Talk
    rule("conversation", 4, r"(?:poem|story|joke|essay|song|lyrics|poema|cuento|chiste|ensayo|cancion|soneto)\b"),
    rule("conversation", 3.5, r"(?:translate|traduce|traducir|how do you say|como se dice)\b"),
    rule("conversation", 3, r"(?:who|quien(?:es)?) (?:is|was|are|were|wrote|invented|discovered|painted|es|era|fue|son|escribio|invento|descubrio|pinto)\b"),
    rule("conversation", 3, r"(?:what do you think|your opinion|que (?:opinas|piensas|te parece)|do you (?:like|believe)|te gusta)\b"),
    rule("conversation", 2.5, r"(?:recommend|advice|advise|suggest|recomienda\w*|aconseja\w*|consejos?|sugiere\w*)\b"),
    rule("conversation", 2.5, r"(?:tell me (?:something|about|more)|cuentame|hablame|what is your name|como te llamas|your name)\b"),
    rule("conversation", 2, r"(?:explain|explica\w*|why (?:is|are|do|does)|por que|what (?:is|are) (?:the|a)|que (?:es|son|significa)|meaning of)\b"),
    rule("conversation", 3, r"(?:i (?:feel|am) |i'm |(?:me|estoy) (?:siento|triste|feliz|cansad\w)|see you|hasta (?:manana|luego|pronto))"),
)  # fmt: skip
_NUMERALS_OF_A_CALCULATION: Final = 2
_OF_OTHERS: Final = 0.7  # data tasks, where no data are named


def weigh_plain(scores: dict[str, float], matched: dict[str, list[str]], text: str) -> None:
    """Add to the scores what the folded text of a request without data says.

    Args:
        scores: by task; changed in place.
        matched: the words that speak for each task; added to.
        text: folded, as `language.words.fold` does.
    """
    weigh(_RULES, scores, matched, text)
    about_data = bool(_DATA.search(text))
    if not about_data:
        for task in scores:
            scores[task] *= _OF_OTHERS if FAMILIES[task] == "data_analysis" else 1.0
    if found := _SOURCE.search(text):
        scores["code"] += 8.0
        matched.setdefault("code", []).append(found[0].strip())
    elif not about_data:
        _weigh_calculation(scores, matched, text)
    else:
        scores["conversation"] *= 0.5


def _weigh_calculation(scores: dict[str, float], matched: dict[str, list[str]], text: str) -> None:
    """Numbers that the request brings itself are to be calculated with, not looked up in data."""
    numerals = _NUMERAL.findall(text)
    if len(numerals) < _NUMERALS_OF_A_CALCULATION or scores["visualization"] >= 4:
        return
    for task in scores:
        if FAMILIES[task] == "data_analysis":
            scores[task] *= 0.3
        elif FAMILIES[task] == "machine_learning":
            scores[task] *= 0.7
    scores["code"] += 3.0 + 0.2 * min(20, len(numerals))
    matched.setdefault("code", []).append(", ".join(numerals[:4]))
