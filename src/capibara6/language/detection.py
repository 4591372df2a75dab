"""Spanish or English? Made for short questions that hold column names of the other language."""

import re
from collections.abc import Collection

from capibara6.language.synonyms import vocabulary
from capibara6.language.words import words

LANGUAGES = ("es", "en")

_COMMON = {
    "es": (
        "a al algun alguna algunos ante aqui asi aun cada como con contra cual cuales cuando "
        "cuanta cuantas cuanto cuantos dame de del desde dia dime donde e el ella ellos en "
        "encuentra entre "
        "era es ese eso esta este esto estan fue grafico graficos ha hace hacer han hasta hay haz "
        "hola hubo la las lo los mas me mejor mejores menos mi mis mucho muestra muestrame muy no "
        "nos nuestro nuestra o otra otras otro para pero peor peores por porque que quien segun "
        "sera si sin sobre son su sus tambien tengo tiene tienen toda todas todo todos tu tus un "
        "una uno unos y ya ultimos proximos calcula calcular dibuja gracias cuidado quiero puedes "
        "podria analiza analizar datos archivo fichero tabla columna columnas filas fila agrupa "
        "compara predice limpia resume resumen media mediana mayor menor suma relacion tendencia"
    ),
    "en": (
        "a about all an and any are as at be been best between both build but by can could create "
        "did do does each every find for from get give had has have hello help here highest how i "
        "if in into is it its least less lowest make many me more most much my no not of on or our "
        "out over per please plot show some table tell than thanks that the their them there these "
        "they this those to top up us using vs want was we were what when where which who whose "
        "why will with you your data file column columns row rows average median sum trend chart "
        "group compare predict clean summary summarize summarise relationship against write "
        "calculate compute draw describe largest smallest next last"
    ),
}
_SETS = {language: frozenset(text.split()) for language, text in _COMMON.items()}
_SPANISH_SIGNS = re.compile(r"[¿¡ñÑ]")
_ACCENTS = re.compile(r"[áéíóúüÁÉÍÓÚÜ]")
_SPANISH_ENDING = re.compile(r"(cion|ciones|idad|idades|mente|miento|ando|iendo|aje|ado|ada)$")
_ENGLISH_ENDING = re.compile(r"(tion|tions|ness|ment|ing|ship|ful|ly|ity|ties)$")


def language_scores(text: str, ignore: Collection[str] = ()) -> dict[str, float]:
    """Weigh the evidence for each language.

    Args:
        text: the question.
        ignore: folded words that say nothing, such as those of column names.
    """
    scores = {"es": 3.0 * bool(_SPANISH_SIGNS.search(text)), "en": 0.0}
    scores["es"] += 2.0 * bool(_ACCENTS.search(text))
    for word in words(text):
        for language in LANGUAGES:
            other = LANGUAGES[1 - LANGUAGES.index(language)]
            if word.text in _SETS[language] and word.text not in _SETS[other]:
                scores[language] += 1.0
            elif word.text not in ignore and word.stem in vocabulary(language):
                scores[language] += 0.75
        scores["es"] += 0.4 * bool(_SPANISH_ENDING.search(word.text))
        scores["en"] += 0.4 * bool(_ENGLISH_ENDING.search(word.text))
    return scores


def detect_language(text: str, ignore: Collection[str] = ()) -> str:
    """Return `"es"` or `"en"`; English when nothing speaks for either."""
    scores = language_scores(text, ignore)
    return "es" if scores["es"] > scores["en"] else "en"
