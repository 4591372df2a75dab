"""The router that works from rules. Pure: the same request always gets the same route."""

from collections.abc import Sequence

from capibara6.domain.requests import Request, Route
from capibara6.errors import UnknownTierError
from capibara6.language.detection import detect_language
from capibara6.language.words import name_words
from capibara6.routing.scoring import Reading, read

RECIPE = "recipe"
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
    """Chooses task, template and tier from keywords, patterns and the data's columns."""

    def route(self, request: Request, tiers: Sequence[str]) -> Route:
        """Choose among `tiers` (cheapest first, "recipe" among them).

        Raises:
            UnknownTierError: the request names a tier that is not among them, or there is none.
        """
        reading = read(request)
        ignore = {w for file in request.files for c in file.columns for w in name_words(c.name)}
        language = detect_language(request.question, ignore)
        tier, tier_reason = _tier(request, reading, tiers)
        template, template_reason = _template(request, reading)
        return Route(
            task=reading.task,
            template=template,
            tier=tier,
            language=language,
            confidence=reading.confidence,
            reasons=(_task_reason(reading), *_data_reasons(reading), template_reason, tier_reason),
        )


def _template(request: Request, reading: Reading) -> tuple[str, str]:
    if request.template is not None:
        return request.template, f"template {request.template}: chosen by the user"
    template = _TEMPLATES.get(reading.task, "data_analysis" if request.files else "default")
    if template == "quick_script" and (reading.complexity or request.files):
        template = "default"
    return template, f"template {template}: serves {reading.task}"


def _tier(request: Request, reading: Reading, tiers: Sequence[str]) -> tuple[str, str]:
    if request.tier is not None:
        if request.tier not in tiers:
            raise UnknownTierError(request.tier, list(tiers))
        return request.tier, f"tier {request.tier}: chosen by the user"
    models = [tier for tier in tiers if tier != RECIPE]
    if not models:
        if not tiers:
            raise UnknownTierError("(none)", [])
        return RECIPE, "tier recipe: no model is configured"
    if RECIPE in tiers and (reason := _recipe_fits(request, reading)):
        return RECIPE, f"tier recipe: {reason}"
    level = min(reading.complexity, len(models) - 1)
    return models[level], f"tier {models[level]}: complexity {reading.complexity} of 2"


def _recipe_fits(request: Request, reading: Reading) -> str:
    """Say why a recipe is sure to fit; empty when it is not."""
    named = ", ".join(mention.columns[0].name for mention in reading.mentions)
    sure = reading.confidence >= RECIPE_CONFIDENCE_MIN and reading.complexity == 0
    if not request.files or reading.task in _NO_RECIPE or not sure:
        return ""
    if named:
        return f"a clear {reading.task} question that names {named}"
    return (
        f"a clear {reading.task} question about the table" if reading.task in _WHOLE_TABLE else ""
    )


def _task_reason(reading: Reading) -> str:
    if not reading.matched:
        return f"task {reading.task}: nothing speaks for another"
    evidence = ", ".join(f"“{words}”" for words in reading.matched)
    return f"task {reading.task}: {evidence}"


def _data_reasons(reading: Reading) -> tuple[str, ...]:
    columns = [f"{m.columns[0].name} ({m.columns[0].kind})" for m in reading.mentions]
    return (f"columns named: {', '.join(columns)}",) if columns else ()
