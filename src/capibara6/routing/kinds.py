"""Which kinds of request a text may be, by its plainest signs, in Spanish and English.

Coarser and surer than the task of a recipe: models differ by formal mathematics, programs, sums in
words, facts and long passages more than by any word. A text may be of several kinds or of none.
"""

import re
from typing import Final

_SIGNS: Final = {
    "mathematics": (
        r"\$[^$\n]{1,200}\$|\\(?:frac|sqrt|sum|int|begin|boxed|left|cdot|times|text|angle|pi)\b"
        r"|\b(?:integral|equation|ecuaci[oó]n|derivative|derivada|matri[xz]|polynomial|polinomio"
        r"|theorem|teorema|prove|demuestra|probability|probabilidad|triangle|tri[aá]ngulo)\b"
    ),
    "program": (
        r"```|>>>|\b(?:function|funci[oó]n|def|return|python|javascript|java|sql|code|c[oó]digo"
        r"|program(?:a|me)?|script|algorithm|algoritmo|array|string|regex|class|list|tuple)\b"
    ),
    "choice": (
        r"which of the following|cu[aá]l de l[ao]s siguientes|most likely|\bbest\b|_{2,}"
        r"|(?:^|\n)[^\S\n]*\(?[B-D][).:]\s"  # \s* would try each of many lines from each of them
    ),
    "text": (
        r"\b(?:write|explain|describe|summari[sz]e|translate|rewrite|compose|draft|suggest|escribe"
        r"|explica|resume|traduce|redacta|essay|story|email|letter|poem)\b"
    ),
    "data": (
        r"\b(?:plot|chart|graph|table|column|csv|dataset|gr[aá]fic[oa]|tabla|columna|datos|average"
        r"|mean|correlation)\b"
    ),
}
_PATTERNS: Final = {kind: re.compile(signs, re.IGNORECASE) for kind, signs in _SIGNS.items()}
_AMOUNT: Final = re.compile(
    r"\b(?:how (?:many|much|long|far|old)|total|altogether|cu[aá]nt[oa]s?|calculate|calcula)\b",
    re.IGNORECASE,
)
_QUESTION: Final = re.compile(
    r"\b(?:who|whom|whose|when|where|which|what|name|qui[eé]n(?:es)?|cu[aá]ndo|d[oó]nde"
    r"|cu[aá]l(?:es)?|qu[eé])\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"\d+")
_WORD: Final = re.compile(r"\w+")
_FACT_WORDS_MAX: Final = 25
_PASSAGE_WORDS: Final = 120
KINDS: Final = (*_SIGNS, "sum", "fact", "passage", "no question")


def kinds(text: str) -> tuple[bool, ...]:
    """Whether a text is of each of `KINDS`."""
    words, numbers = len(_WORD.findall(text)), len(_NUMBER.findall(text))
    short = words <= _FACT_WORDS_MAX and numbers < 2
    return (
        *(bool(pattern.search(text)) for pattern in _PATTERNS.values()),
        numbers >= 2 and bool(_AMOUNT.search(text)),
        short and bool(_QUESTION.search(text)),
        words > _PASSAGE_WORDS,
        not text.rstrip().endswith("?"),
    )
