"""What questions about data say about their task, beyond the rules for all requests.

Turns of phrase that only mean a task where there is a table: comparisons by "-er than" and "más … que",
superlatives, "who is likely to". Also what people ask of a table that no recipe does: to send it,
to join it with another, to say why. Spanish and English stand side by side.
"""

import re
from collections.abc import Sequence
from typing import Final

from capibara6.language.mentions import Mention
from capibara6.routing.rules import rule, weigh

_WORDS: Final = ("text", "boolean")
_PLEASE = r"^\W*(?:please |por favor,? |can you |could you |puedes |podrias )?"
_MORE = (
    r"(?:more|less|fewer|higher|lower|better|worse|bigger|larger|smaller|longer|shorter|greater|older|younger"
    r"|\w{3,}ier|faster|slower|cheaper|dearer|stronger|weaker|warmer|colder|hotter|heavier|lighter)"
)
_MAS = r"(?:mas|menos|mayor(?:es)?|menor(?:es)?|mejor(?:es)?|peor(?:es)?)"

_RULES: Final = (
    # Comparisons
    rule("compare", 3, rf"(?:do|does|did|are|is|have|has)\b.{{1,60}}\b{_MORE}\b"),
    rule("compare", 3, rf"{_MAS}\b.{{0,40}}\bque\b(?! nada| nunca)"),
    rule("compare", 3, r"(?:gaps?|brechas?) (?:between|entre)\b|(?:make|is there) (?:a|any) difference\b|hay diferencias?\b"),
    rule("compare", 3.5, r"(?:distint[oa]s?|diferentes?|varian?|cambian?|different|differ|vary|varies) (?:segun|por|entre|by|across|among)\b"),
    rule("compare", 2, r"^\W*(?:la|el|las|los|es|son|is|are|do|does)\b.{1,60}\b(?:distint[oa]s?|diferentes?|different)\b"),
    # One number
    rule("describe", 2, r"(?:highest|lowest|largest|biggest|smallest|hottest|coldest|warmest|longest|shortest|oldest|youngest|cheapest|dearest|best|worst)\b"),
    rule("describe", 2, r"(?:typical|tipic[oa]|habitual|at (?:most|least)|como (?:mucho|poco|maximo|minimo))\b"),
    rule("describe", 1.5, r"(?:minim[oa]s?|maxim[oa]s?|mayor|menor|mas (?:alt|baj|grande|pequen|car|barat|larg|cort)\w+)\b"),
    # By group
    rule("group", 3.5, r"(?:which|what|que|cual)(?: \w+){1,3} (?:is|are|has|have|had|es|son|tiene\w*) (?:the |el |la |los |las )?(?:\w{3,}est|most|least|mas|menos|mayor\w*|menor\w*|mejor\w*|peor\w*)\b"),
    rule("group", 2.5, r"(?:mas (?:frecuentes?|comun(?:es)?|habitual(?:es)?|repetid[oa]s?)|most (?:common|frequent|usual)|commonest)\b"),
    rule("group", 2.5, r"en que \w+\b.{1,30}\b(?:mas|menos)\b"),
    rule("group", 2.5, r"(?:which|what|que|cual)\b.{1,30}\b\w{3,}(?:iest|ddest|ttest)\b"),
    # Distributions
    rule("distribution", 3, r"se (?:reparten?|distribuyen?)\b|repart(?:o|icion) d\w+"),
    rule("distribution", 2.5, r"how (?:are|is|do|does)\b.{1,40}\b(?:spread|distributed|vary|spread out)\b"),
    # Time
    rule("time_series", 3, r"(?:over|through(?:out)?|during) the (?:year|month|week|day|season|decade)s?\b|ha(?:n)? ido (?:cambiando|subiendo|bajando|creciendo)"),
    rule("time_series", 2.5, r"como (?:ha|han|fue|va|van)\b.{0,30}\b(?:cambia\w*|crec\w+|sub\w+|baj\w+)"),
    rule("time_series", 2.5, r"(?:preve|prever|prevision|anticip\w+)\b"),
    rule("time_series", 2, r"(?:what|how|que|como)\b.{0,20}\b(?:will|would|sera|seran|estara)\b.{0,60}\b(?:next|coming|proxim\w+|siguientes?)\b"),
    # Outliers
    rule("outliers", 4, r"(?:freak|weird|odd|oddly|strange|implausible|rar[oa]s?|extran[oa]s?|inusual(?:es)?|desorbitad[oa]s?)\b"),
    rule("outliers", 4, r"(?:out of (?:the )?(?:ordinary|normal|line)|stands? out|fuera de lo (?:normal|comun|habitual)|se salen? de lo)\b"),
    # Machine learning
    rule("classification", 3.5, r"(?:likely|going|about) to \w+"),
    rule("classification", 4, r"(?:can|could) (?:we|you|i|one|it)\b.{0,20}\b(?:tell|know|guess|foresee|say)\b.{0,20}\b(?:if|whether|who|which)\b"),
    rule("classification", 4, r"(?:se puede|podemos|puedes|podriamos)\b.{0,20}\b(?:saber|adivinar|anticipar|decir)\b.{0,20}\b(?:si|quien(?:es)?|que|cual)\b"),
    rule("classification", 3, r"quien(?:es)? (?:se |lo |la )?\w{2,}ran?\b(?! nada)"),
    rule("regression", 3.5, r"(?:calcula\w*|estima\w*|calculate|work out|deduc\w+|obten\w*|infer)\b.{1,60}\b(?:a partir del?|from|con ayuda del?)\b"),
    rule("clustering", 4, r"(?:agrupa\w*|agrupar|junta\w*|group|find|encuentra\w*|busca\w*)\b.{0,40}\b(?:parecid[oa]s?|similar(?:es)?|alike|semejantes?)\b"),
    # What no recipe does
    rule("conversation", 5, rf"{_PLEASE}(?:e-?mail|mail|send|post|upload|share|print|envia\w*|manda\w*|remite\w*|publica\w*|comparte\w*|imprime\w*)\b"),
    rule("conversation", 5, rf"{_PLEASE}(?:draft|compose|write|redacta\w*|escribe\w*|translate|traduce\w*)\b"),
    rule("conversation", 5, rf"{_PLEASE}(?:(?:give|dame|da) (?:me )?(?:ideas?|tips?|consejos?|un consejo|advice)|advise|recommend|recomienda\w*|aconseja\w*|suggest|sugiere\w*)\b"),
    rule("conversation", 5, r"(?:should (?:i|we|you)|deberia\w*|conviene|por que|why (?:is|are|do|does|did|have|has))\b"),
    rule("conversation", 4, r"(?:who|quien) (?:won|wrote|invented|discovered|is the|was the|gano|escribio|invento|descubrio|es el|es la|fue el|fue la)\b"),
    rule("code", 5, rf"{_PLEASE}(?:join|merge|append|concatenate|une|unir|cruza|fusiona|combina|anade|agrega|inserta|insert|add|rename|renombra|sort|ordena|multiply|multiplica|raise|sube|sum[ae]le|round|redondea)\b"),
    rule("code", 5, rf"{_PLEASE}(?:convert|convierte|transforma|transform|turn)\b(?!.{{0,30}}\b(?:dates?|fechas?|numbers?|numeros|types?|tipos)\b)"),
    rule("code", 5, rf"{_PLEASE}(?:make|create|build|prepare|haz(?:me)?|crea|prepara|monta)\b.{{0,20}}\b(?:plan|slides?|presentation|presentacion|web ?site|pagina|app|letter|carta|schedule|horario|calendar\w*|form|formulario)\b"),
)  # fmt: skip
# A question that names no column and none of these is not about what the table holds.
_ABOUT_TABLE: Final = re.compile(
    r"\b(?:this|these|it|here|there|have|got|file|data|dataset|table|csv|rows?|records?|values?|look|see|show"
    r"|tell me|est[aeo]s?|aqui|hay|tenemos|tengo|datos|tabla|archivo|fichero|filas?|registros?|mira|ver|muestra\w*)\b"
)


def weigh_tabular(
    scores: dict[str, float],
    matched: dict[str, list[str]],
    text: str,
) -> None:
    """Add to the scores what the folded text of a request with data says.

    Args:
        scores: by task; changed in place.
        matched: the words that speak for each task; added to.
        text: folded, as `language.words.fold` does.
    """
    weigh(_RULES, scores, matched, text)


def hinted(text: str, mentions: Sequence[Mention]) -> str:
    """The likeliest task of a question in which no rule finds anything, by what it names."""
    if not mentions:
        about = not text.strip() or _ABOUT_TABLE.search(text)
        return "profile" if about else "conversation"
    named = [mention.columns[0].kind for mention in mentions]
    numbers, words = named.count("number"), sum(kind in _WORDS for kind in named)
    if "date" in named and numbers:
        return "time_series"
    if words and numbers:
        return "group"
    if numbers > 1:
        return "correlate"
    return "describe" if numbers else "group" if words else "profile"
