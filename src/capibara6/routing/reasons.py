"""The router's reasons, in the language of the question."""

from typing import Final

_ENGLISH: Final = {
    "task": "task {task}: {evidence}",
    "task_default": "task {task}: nothing speaks for another",
    "columns": "columns named: {columns}",
    "template_chosen": "template {template}: chosen by the user",
    "template": "template {template}: serves {task}",
    "tier_chosen": "tier {tier}: chosen by the user",
    "no_model": "tier {tier}: no model is configured",
    "recipe_named": "tier {tier}: a clear {task} question that names {columns}",
    "recipe_table": "tier {tier}: a clear {task} question about the table",
    "recipe_advised": "tier {tier}: in doubt, a model that measured well chooses the recipe",
    "complexity": "tier {tier}: complexity {complexity} of 2",
    "learned": "tier {tier}: expected success by {outcomes} outcomes here: {beliefs}",
    "learned_measured": "tier {tier}: expected success as it was measured on a suite: {beliefs}",
    "learned_trial": "tier {tier}: tried now and then, to know it; expected success: {beliefs}",
    "learner_failed": "by rules alone: what was learnt cannot be used, and the log says why",
}
_SPANISH: Final = {
    "task": "tarea {task}: {evidence}",
    "task_default": "tarea {task}: nada apunta a otra",
    "columns": "columnas nombradas: {columns}",
    "template_chosen": "plantilla {template}: elegida por el usuario",
    "template": "plantilla {template}: sirve para {task}",
    "tier_chosen": "nivel {tier}: elegido por el usuario",
    "no_model": "nivel {tier}: no hay ningún modelo configurado",
    "recipe_named": "nivel {tier}: una pregunta clara de {task} que nombra {columns}",
    "recipe_table": "nivel {tier}: una pregunta clara de {task} sobre la tabla",
    "recipe_advised": "nivel {tier}: en la duda elige la receta un modelo que midió bien",
    "complexity": "nivel {tier}: complejidad {complexity} de 2",
    "learned": "nivel {tier}: éxito esperado según {outcomes} resultados aquí: {beliefs}",
    "learned_measured": "nivel {tier}: éxito esperado según lo medido con tareas: {beliefs}",
    "learned_trial": "nivel {tier}: a prueba, para conocerlo; éxito esperado: {beliefs}",
    "learner_failed": "solo por reglas: lo aprendido no se puede usar, y el registro dice por qué",
}


def reason(name: str, language: str, **values: object) -> str:
    """Say a reason by its name, in "es" or "en"."""
    texts = _SPANISH if language == "es" else _ENGLISH
    return texts[name].format(**values)
