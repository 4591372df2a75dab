"""The router that works from rules. Pure: the same request always gets the same route."""

from collections.abc import Sequence

from capibara6.domain.requests import Request, Route
from capibara6.errors import UnknownTierError
from capibara6.language.detection import detect_language
from capibara6.language.words import name_words
from capibara6.routing.reasons import reason
from capibara6.routing.scoring import Reading, read

RECIPE = "recipe"
Why = tuple[str, dict[str, object]]  # a reason's name in `reasons`, and its values
RECIPE_CONFIDENCE_MIN = 0.5

_TEMPLATES = {
    "visualization": "visualization",
    "regression": "machine_learning",
    "classification": "machine_learning",
    "clustering": "machine_learning",
    "code": "quick_script",
    "conversation": "quick_script",
}
_NO_RECIPE = ("code", "conversation")
# A recipe of these tasks fits without a column being named.
_WHOLE_TABLE = ("profile", "clean", "correlate", "outliers", "clustering")


class RuleRouter:
    """Chooses task, template and tier from keywords, patterns and the data's columns.

    Args:
        doubtful_to_recipes: questions about data go to the recipes also where their task is not
            sure; a model that measured well helps there, and refuses what no recipe answers.
    """

    def __init__(self, *, doubtful_to_recipes: bool = False) -> None:
        self._doubtful_to_recipes = doubtful_to_recipes

    def route(self, request: Request, tiers: Sequence[str]) -> Route:
        """Choose among `tiers` (cheapest first, "recipe" among them).

        Raises:
            UnknownTierError: the request names a tier that is not among them, or there is none.
        """
        reading = read(request)
        ignore = {w for file in request.files for c in file.columns for w in name_words(c.name)}
        language = detect_language(request.question, ignore)
        tier, why_tier = _tier(request, reading, tiers, self._doubtful_to_recipes)
        template, why_template = _template(request, reading)
        whys = (_why_task(reading), *_why_data(reading), why_template, why_tier)
        return Route(
            task=reading.task,
            template=template,
            tier=tier,
            language=language,
            confidence=reading.confidence,
            reasons=tuple(reason(name, language, **values) for name, values in whys),
        )


def _template(request: Request, reading: Reading) -> tuple[str, Why]:
    if request.template is not None:
        return request.template, ("template_chosen", {"template": request.template})
    template = _TEMPLATES.get(reading.task, "data_analysis" if request.files else "default")
    if template == "quick_script" and (reading.complexity or request.files):
        template = "default"
    return template, ("template", {"template": template, "task": reading.task})


def _tier(
    request: Request, reading: Reading, tiers: Sequence[str], doubtful_to_recipes: bool
) -> tuple[str, Why]:
    if request.tier is not None:
        if request.tier not in tiers:
            raise UnknownTierError(request.tier, list(tiers))
        return request.tier, ("tier_chosen", {"tier": request.tier})
    models = [tier for tier in tiers if tier != RECIPE]
    if not models:
        if not tiers:
            raise UnknownTierError("(none)", [])
        return RECIPE, ("no_model", {"tier": RECIPE})
    if RECIPE in tiers and (why := _recipe_fits(request, reading)):
        return RECIPE, why
    doubtful = request.files and reading.confidence < RECIPE_CONFIDENCE_MIN
    if RECIPE in tiers and doubtful_to_recipes and doubtful and not reading.complexity:
        return RECIPE, ("recipe_advised", {"tier": RECIPE})
    tier = models[min(reading.complexity, len(models) - 1)]
    return tier, ("complexity", {"tier": tier, "complexity": reading.complexity})


def _recipe_fits(request: Request, reading: Reading) -> Why | None:
    """Say why a recipe is sure to fit; None when it is not."""
    sure = reading.confidence >= RECIPE_CONFIDENCE_MIN and reading.complexity == 0
    if not request.files or reading.task in _NO_RECIPE or not sure:
        return None
    values: dict[str, object] = {"tier": RECIPE, "task": reading.task}
    named = ", ".join(mention.columns[0].name for mention in reading.mentions)
    if named:
        return "recipe_named", {**values, "columns": named}
    return ("recipe_table", values) if reading.task in _WHOLE_TABLE else None


def _why_task(reading: Reading) -> Why:
    if not reading.matched:
        return "task_default", {"task": reading.task}
    evidence = ", ".join(f"“{words}”" for words in reading.matched)
    return "task", {"task": reading.task, "evidence": evidence}


def _why_data(reading: Reading) -> tuple[Why, ...]:
    columns = [f"{m.columns[0].name} ({m.columns[0].kind})" for m in reading.mentions]
    return (("columns", {"columns": ", ".join(columns)}),) if columns else ()
