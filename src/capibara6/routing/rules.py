"""The evidence for each task: patterns in Spanish and English with their weights.

Patterns are searched in folded text (lower case, no accents). Each counts once however often it matches. A
weight of 3 settles the task by itself, 2 needs no contradiction, 1 is a hint.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One piece of evidence."""

    task: str
    weight: float
    pattern: re.Pattern[str]


def rule(task: str, weight: float, text: str) -> Rule:
    """Return a rule; its pattern begins where a word does."""
    return Rule(task, weight, re.compile(rf"\b(?:{text})"))


def weigh(
    rules: Iterable[Rule], scores: dict[str, float], matched: dict[str, list[str]], text: str
) -> None:
    """Add to the scores what rules find in a text.

    Args:
        rules: the evidence to look for.
        scores: by task; changed in place.
        matched: the words that speak for each task; added to.
        text: folded, as `language.words.fold` does.
    """
    for each in rules:
        if found := each.pattern.search(text):
            scores[each.task] += each.weight
            matched.setdefault(each.task, []).append(found[0].strip())


def _rules(*rows: tuple[str, float, str]) -> tuple[Rule, ...]:
    return tuple(rule(*row) for row in rows)


RULES = _rules(
    # What is in the file?
    ("profile", 3, r"(?:what|que) (?:is|s|hay|contiene|tiene|trae)\b.{0,12}\b(?:in|este|esta|el|la|this|the)\b.{0,8}\b(?:file|data|dataset|table|archivo|fichero|datos|tabla)\b"),
    ("profile", 3, r"(?:overview|structure|schema|profile|estructura|esquema|perfil|perfilar|vista general|resumen general|panorama)\b"),
    ("profile", 3, r"(?:which|what|que|cuales|cuantas) (?:\w+ )?(?:columns?|columnas?|campos|fields|variables)\b(?! (?:are|is|se|estan|mas|most|predict|influ|determin|correla))"),
    ("profile", 2.5, r"(?:what kind|what type|que (?:tipo|clase)) (?:of|de) (?:data|datos|info)"),
    ("profile", 2.5, r"(?:quality|calidad)\b"),
    ("profile", 2, r"(?:explore|explora|explorar|describe|describeme|analy[sz]e|analiza|summari[sz]e|resume|resumen) (?:this|the|my|these|este|esta|estos|el|la|los|mis?|de (?:los|este|esta|el|la))? ?(?:file|data|dataset|table|csv|archivo|fichero|datos|tabla|conjunto)\b"),
    ("profile", 1, r"(?:missing|nulls?|nulos|ausentes|faltan|faltantes)\b"),
    # Clean
    ("clean", 3.5, r"(?:clean|cleanse|cleaning|tidy|limpia\w*|depura\w*|sanea\w*|adecenta\w*)\b"),
    ("clean", 3, r"(?:remove|drop|delete|get rid of|quita\w*|elimina\w*|borra\w*|descarta\w*) (?:\w+ ){0,3}(?:duplicat\w*|duplicad\w*|repeat\w*|repetid\w*|empty|vaci\w*|nulls?|nan|nul\w*|missing|faltantes|ausentes)"),
    ("clean", 2.5, r"(?:normali[sz]e|standardi[sz]e|unify|normaliza\w*|estandariza\w*|unifica\w*|homogene\w*)\b"),
    ("clean", 2.5, r"(?:fix|repair|correct|handle|fill|impute|arregla\w*|corrig\w*|corregir|trata|tratar|rellena\w*|imputa\w*) (?:\w+ ){0,3}(?:missing|nulls?|nan|dates?|values|types?|valores|nulos|fechas|tipos|format\w*|huecos|errores|errors)"),
    ("clean", 2, r"(?:convert|parse|convierte|convertir|pasa) (?:\w+ ){0,3}(?:dates?|fechas?|numbers?|numeros|types?|tipos)\b"),
    # One number or a summary
    ("describe", 2, r"(?:average|mean|median|media|medio|mediana|promedio|maximum|maxim[oa]|minimum|minim[oa]|standard deviation|desviacion|percentil\w*|variance|varianza|rango|range)\b"),
    ("describe", 2, r"(?:how many|how much|cuant[oa]s?)\b"),
    ("describe", 1.5, r"(?:total|totales|sum|suma|in total|en total)\b"),
    ("describe", 3, r"(?:summary statistics|descriptive|statistics|estadistic\w*|descriptiv\w*)\b"),
    # By group
    ("group", 2.5, r"(?:by|per|por|segun) (?:each |cada )?(?!day|week|month|year|mes|dia|semana|ano|medio|favor|que|por|lo|qu)\w+"),
    ("group", 3, r"(?:each|every|cada) (?!day|week|month|year|mes|dia|semana|ano|vez|time)\w+"),
    ("group", 3, r"(?:top|bottom) ?\d*\b|(?:los|las) (?:\d+|cinco|diez|tres) \w+"),
    ("group", 2.5, r"(?:which|what|que|cual|cuales)\b.{0,30}\b(?:most|highest|largest|biggest|lowest|least|fewest|best|worst|mas|menos|mayor\w*|menor\w*|mejor\w*|peor\w*)\b"),
    ("group", 2.5, r"(?:break ?down|breakdown|desglos\w*|ranking|rank|agrupad\w* por|grouped by|group by)\b"),
    ("group", 1, r"(?:con (?:mas|mayor|menos|menor)|with the (?:most|highest|lowest|least|fewest))\b"),
    # Relationships
    ("correlate", 3.5, r"(?:correlat\w*|correlac\w*|correlaci\w*)"),
    ("correlate", 3, r"(?:relationship|relation|related|relacion\w*|asociacion|association|vincul\w*)\b"),
    ("correlate", 2.5, r"(?:affects?|influences?|depends? on|impact of|influye\w*|afecta\w*|depende\w*|incide\w*|efecto d\w+|effect of)\b"),
    # Distributions
    ("distribution", 3.5, r"(?:histogram\w*|distribut\w*|distribuc\w*|distribuy\w*|distribuid\w*)"),
    ("distribution", 2.5, r"(?:spread|skew\w*|sesgad\w*|asimetr\w*|frequenc\w*|frecuenc\w*|quantiles?|cuantiles|densit\w*|densidad)\b"),
    ("distribution", 2, r"(?:dispersion de los valores|proporcion\w*|proportion\w*|share|percentage|porcentaje\w*)\b"),
    # Time
    ("time_series", 3.5, r"(?:forecast\w*|pronostic\w*|prevision\w*|proyec\w*|project(?:ion|ions)|time series|series? (?:temporal\w*|de tiempo)|seasonal\w*|estacional\w*)"),
    ("time_series", 3, r"(?:trend\w*|tendencia\w*|evol\w*|over time|over the (?:years|months)|a lo largo d\w+|con el tiempo|historic\w*)"),
    ("time_series", 2.5, r"(?:monthly|yearly|annual\w*|weekly|daily|quarterly|mensual\w*|anual\w*|semanal\w*|diari[oa]\w*|trimestral\w*)\b"),
    ("time_series", 2.5, r"(?:by|per|por|each|cada|every) (?:year|month|week|day|quarter|ano|mes|semana|dia|trimestre)s?\b"),
    ("time_series", 2.5, r"(?:next|proxim[oa]s|siguientes) (?:\w+ )?(?:days|weeks|months|quarters|years|dias|semanas|meses|trimestres|anos)\b"),
    ("time_series", 2, r"(?:chang\w+|cambi\w+|grew|grow\w*|crec\w+|increas\w+|aument\w+|decreas\w+|disminu\w+|baj(?:o|aron)|subi\w+)\b.{0,40}\b(?:between|since|from|entre|desde|over|durante)\b"),
    ("time_series", 1.5, r"(?:later|recent|last|past|ultim[oa]s|recientes) (?:\w+ )?(?:years|months|anos|meses|decad\w+|decades?)\b"),
    # Comparison of groups
    ("compare", 3, r"(?:compar\w+|versus|vs)\b"),
    ("compare", 3, r"(?:difference|differences|differ\w*|diferenc\w*|difier\w*|distint[oa]s?|different)\b.{0,40}\b(?:between|among|entre|de .{1,30} y|in)\b"),
    ("compare", 2.5, r"(?:significant\w*|significativ\w*|t-test|anova|prueba t)\b"),
    ("compare", 3, r"(?:more|less|higher|lower|better|worse|longer|larger)\b.{0,30}\bthan\b"),
    ("compare", 3, r"(?:mas|menos|mayor\w*|menor\w*|mejor\w*|peor\w*)\b.{0,30}\bque (?:el|la|los|las)\b"),
    # Outliers
    ("outliers", 4, r"(?:outlier\w*|anomal\w*|atipic\w*|unusual|abnormal|anormal\w*|extreme values|valor\w* extrem\w*|raros? en|valor\w* raros?|suspicious|sospechos\w*|fuera de rango)"),
    # Machine learning
    ("regression", 3.5, r"(?:regress\w*|regresi\w*)"),
    ("regression", 2.5, r"(?:predict\w*|predice\w*|predec\w*|prediccion\w*|estimat\w*|estim[aeo]\w*|how well can)\b"),
    ("regression", 1, r"(?:model|modelo|fit|ajusta\w*)\b"),
    ("classification", 4, r"(?:classif\w*|clasific\w*|decision tree|arbol\w* de decision|random forest|bosque\w* aleatori\w*)"),
    ("classification", 1.5, r"(?:predict\w*|predice\w*|predec\w*|prediccion\w*) (?:whether|if|which|si|que|cual)\b"),
    ("classification", 1, r"(?:train|entrena\w*)\b"),
    ("clustering", 4, r"(?:cluster\w*|k-?means|k-?medias|conglomerad\w*|kmeans|clus?ter\w*)"),
    ("clustering", 3.5, r"(?:segmenta\w*|segment (?:the|my|our|these)|segmentation|(?:natural|find|discover|encuentra\w*|descubr\w*) (?:\w+ )?(?:groups|segments|grupos|segmentos))"),
    ("clustering", 3, r"(?:grupos?|groups?) (?:de|of) (?:\w+ )?(?:parecid\w*|similar\w*|\w+ parecid\w*|\w+ similar\w*)"),
    ("clustering", 4, r"(?:group|agrupa\w*|divide|split|separa\w*)\b.{0,30}\b(?:into|en) (?:\d+|two|three|four|five|dos|tres|cuatro|cinco|varios|several)\b"),
    ("clustering", 2, r"(?:\d+|two|three|four|five|dos|tres|cuatro|cinco) (?:groups|grupos|segments|segmentos)\b"),
    # Charts
    ("visualization", 3, r"(?:bar|pie|line|area|scatter|bubble|box)[ -]?(?:chart|plot|graph|diagram)s?\b"),
    ("visualization", 3, r"(?:grafic\w*|diagrama\w*) (?:de|con) (?:\w+ )?(?:barras?|lineas?|tarta|sectores|pastel|puntos|dispersion|cajas?|burbujas|areas?|bigotes)"),
    ("visualization", 2.5, r"(?:plot|chart|draw|graph|visuali[sz]e|dibuja\w*|grafica\w*|grafico\w*|visualiza\w*|pinta\w*|heat ?map|mapa de calor|scatter\w*|boxplot\w*)\b"),
    # Programs
    ("code", 4, r"(?:function|funcion|algorithm\w*|algoritmo\w*|python|javascript|script|recursiv\w*|regex|class (?:that|for)|api)\b"),
    ("code", 3, r"(?:implement\w*|implementa\w*|program\w*|programa\w*|codigo|code)\b"),
    ("code", 3, r"(?:fibonacci|prim[eo]s?\b|factorial|quicksort|palindrom\w*|sudoku|fizzbuzz|matri[xz]\w*|ecuacion\w*|equation\w*|integral|derivad\w*|derivative|solve|resuelve\w*)"),
    ("code", 1.5, r"(?:write|escribe\w*|calculate|calcula\w*|compute|generate|genera\w*|simulat\w*|simula\w*)\b"),
    # Talk
    ("conversation", 4, r"(?:hello|hi|hey|hola|buen[oa]s (?:dias|tardes|noches)|thanks|thank you|gracias|adios|bye|goodbye)\b"),
    ("conversation", 3, r"(?:who are you|quien eres|what can you do|que (?:puedes|sabes) hacer|how are you|como estas|tell me a joke|cuentame un chiste)\b"),
)  # fmt: skip

# A request that asks for more than one program's worth of work.
COMPLEX = tuple(
    re.compile(rf"\b(?:{text})\b")
    for text in (
        r"optimi[sz]\w*|optimiza\w*|hyper-?parameter\w*|hiperparametr\w*|tuning|ajuste fino",
        r"neural|deep learning|red(?:es)? neuronal(?:es)?|transformers?|ensemble|xgboost|bayesian\w*|bayesian[oa]",
        r"simulat\w*|simula\w*|monte ?carlo|from scratch|desde cero|dynamic programming|programacion dinamica",
        r"step by step|paso a paso|then|after that|finally|luego|despues|por ultimo|ademas|as well as|tambien",
        r"several|multiple|all (?:the )?(?:tables|files)|varios|varias|join|merge|cruza\w*|combina\w*",
        r"dashboard|report|informe|cuadro de mando|explain why|explica por que|recommend\w*|recomienda\w*",
    )
)
