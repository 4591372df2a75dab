"""Everything the faces and the pipeline say to a person, in Spanish and English.

Owns the words, not the decision when to say them. Programs of recipes and prompts to models keep
their own texts. `say` is the only way in; a test checks that both languages hold the same keys and
the same fields.
"""

from typing import Final

LANGUAGES: Final = ("es", "en")
DEFAULT_LANGUAGE: Final = "en"

TEXTS: Final[dict[str, dict[str, str]]] = {
    # -- answers -----------------------------------------------------------------------------
    "no_model_used": {
        "en": "(No model was used: this is the answer of the recipe “{recipe}”.)",
        "es": "(No se usó ningún modelo: responde la receta «{recipe}».)",
    },
    "recipe_by_model": {
        "en": "(A model chose the recipe “{recipe}”, and wrote nothing of the program.)",
        "es": "(Un modelo eligió la receta «{recipe}»; del programa no escribió nada.)",
    },
    "very_small_model": {
        "en": (
            "(The program is by “{model}”, a very small model, which is often wrong: check the "
            "program before you trust the answer.)"
        ),
        "es": (
            "(El programa es de «{model}», un modelo muy pequeño que se equivoca a menudo: revisa "
            "el programa antes de fiarte de la respuesta.)"
        ),
    },
    "conversation": {
        "en": (
            "That is conversation, not a task for a program, so I ran nothing and have no answer "
            "to offer. I answer by writing and running programs: ask something that can be "
            "computed, best with a data file (CSV, Excel, Parquet or JSON); for example "
            "“which columns are correlated?”."
        ),
        "es": (
            "Eso es conversación, no una tarea para un programa, así que no ejecuté nada ni tengo "
            "una respuesta que dar. Respondo escribiendo y ejecutando programas: pregunta algo "
            "que se pueda calcular, mejor con un archivo de datos (CSV, Excel, Parquet o JSON); "
            "por ejemplo «¿qué columnas están correlacionadas?»."
        ),
    },
    "nothing_printed": {
        "en": "The program ended without printing anything.",
        "es": "El programa terminó sin imprimir nada.",
    },
    "program_failed": {
        "en": "The program failed (attempt {attempts}): {cause} {hint}",
        "es": "El programa falló (intento {attempts}): {cause} {hint}",
    },
    "cancelled": {
        "en": "The run was cancelled before it ended; its sandbox was killed.",
        "es": "La ejecución se canceló antes de terminar; su entorno aislado fue eliminado.",
    },
    "internal": {
        "en": "An unexpected fault in the platform ({fault}). The log holds the details.",
        "es": "Un fallo inesperado de la plataforma ({fault}). El registro tiene los detalles.",
    },
    "platform_ended": {
        "en": "The platform ended while this run was under way. What its program did may stand.",
        "es": "La plataforma terminó durante esta ejecución. Lo que hizo su programa puede quedar.",
    },
    "silent_cause": {
        "en": "The program printed nothing and displayed nothing.",
        "es": "El programa no imprimió ni mostró nada.",
    },
    "silent_hint": {
        "en": "Print the answer to the question with print().",
        "es": "Imprime la respuesta a la pregunta con print().",
    },
    "function_written": {
        "en": "The program shows nothing of itself; here it is, as it was tried:",
        "es": "El programa no muestra nada por sí mismo; aquí está, tal como se probó:",
    },
    "unproven_cause": {
        "en": "The program ran, and does not do what was asked of it: {wrong}.",
        "es": "El programa se ejecutó y no hace lo que se le pide: {wrong}.",
    },
    "unproven_hint": {
        "en": "Mend it so that all examples and tests hold; do not write them into the program.",
        "es": "Corrígelo para que se cumplan todos los ejemplos y pruebas, sin copiarlos en él.",
    },
    # -- candidates --------------------------------------------------------------------------
    "ground_tests": {
        "en": "the tests given hold",
        "es": "se cumplen las pruebas dadas",
    },
    "ground_user_examples": {
        "en": "{held} of {examples} examples given hold, and the tests",
        "es": "se cumplen {held} de {examples} ejemplos dados, y las pruebas",
    },
    "ground_examples": {
        "en": "{held} of {examples} examples found in the question hold",
        "es": "se cumplen {held} de {examples} ejemplos hallados en la pregunta",
    },
    "ground_agreement": {
        "en": "its results agree most with the others' ({agreement:.0%})",
        "es": "sus resultados son los que más coinciden con los demás ({agreement:.0%})",
    },
    "ground_cheapest": {
        "en": "nothing tells them apart; it is the cheapest",
        "es": "nada los distingue; es el más barato",
    },
    "ground_only": {
        "en": "no other one runs",
        "es": "ningún otro funciona",
    },
    "ground_none": {
        "en": "none may stand; this is the best of them",
        "es": "ninguno puede darse por bueno; este es el mejor",
    },
    "candidate": {
        "en": "  {mark} candidate {number}: {what}{examples} ({wall_s:.2f} s, {place})",
        "es": "  {mark} candidato {number}: {what}{examples} ({wall_s:.2f} s, {place})",
    },
    "candidate_examples": {
        "en": "; {held} of {examples} examples",
        "es": "; {held} de {examples} ejemplos",
    },
    "candidate_fork": {"en": "live fork", "es": "bifurcación viva"},
    "candidate_fresh": {"en": "fresh sandbox", "es": "entorno nuevo"},
    "candidate_nowhere": {"en": "not run", "es": "sin ejecutar"},
    "candidate_kept": {
        "en": "Candidate {number} of {count} is kept: {reason}",
        "es": "Queda el candidato {number} de {count}: {reason}",
    },
    "candidate_repaired": {
        "en": "No candidate of {count} may stand; repair starts from {number}: {reason}",
        "es": "Ningún candidato de {count} sirve; se corrige el {number}: {reason}",
    },
    "writer_hint": {
        "en": "Another tier is asked, if one is configured.",
        "es": "Se pregunta a otro nivel, si hay uno configurado.",
    },
    # -- what a run looks like on a terminal -------------------------------------------------
    "route": {
        "en": "Route: {task} → {tier} (template {template}, confidence {confidence:.0%})",
        "es": "Ruta: {task} → {tier} (plantilla {template}, confianza {confidence:.0%})",
    },
    "writing": {
        "en": "Writing the program ({tier}) …",
        "es": "Escribiendo el programa ({tier}) …",
    },
    "program": {
        "en": "Program (attempt {attempt}, {origin})",
        "es": "Programa (intento {attempt}, {origin})",
    },
    "lines_left_out": {
        "en": "… {count} lines more: the record of the run holds them …",
        "es": "… {count} líneas más: están en el registro de la ejecución …",
    },
    "lessons": {
        "en": "Lessons of the playbook in the prompt:",
        "es": "Lecciones del cuaderno en la petición al modelo:",
    },
    "findings": {
        "en": "The check before the run found:",
        "es": "La revisión previa encontró:",
    },
    "finding": {"en": "line {line}: {message}", "es": "línea {line}: {message}"},
    "output": {
        "en": "Output (sandbox {sandbox_id}, template {template})",
        "es": "Salida (entorno aislado {sandbox_id}, plantilla {template})",
    },
    "repeated": {
        "en": "{error}: repeated with the template's own limits",
        "es": "{error}: se repite con los límites propios de la plantilla",
    },
    "chart": {"en": "[chart: {mime}]", "es": "[gráfico: {mime}]"},
    "table": {"en": "Table", "es": "Tabla"},
    "more_rows": {
        "en": "… {rows} more rows, {columns} more columns",
        "es": "… {rows} filas y {columns} columnas más",
    },
    "usage": {
        "en": "Ran {wall_s:.2f} s{cpu}{memory}",
        "es": "Duró {wall_s:.2f} s{cpu}{memory}",
    },
    "usage_cpu": {"en": ", {cpu_s:.2f} s of CPU", "es": ", {cpu_s:.2f} s de CPU"},
    "usage_memory": {
        "en": ", at most {memory_mib:.0f} MiB",
        "es": ", como máximo {memory_mib:.0f} MiB",
    },
    "repair": {
        "en": "Attempt {attempt} failed ({kind}): {cause} {hint} Next: {next_tier}.",
        "es": "El intento {attempt} falló ({kind}): {cause} {hint} Sigue: {next_tier}.",
    },
    "answer": {"en": "Answer", "es": "Respuesta"},
    "error": {"en": "Error", "es": "Error"},
    "charts_saved": {"en": "Charts and files:", "es": "Gráficos y archivos:"},
    "record": {
        "en": "Record of the run: {folder} (again: capibara6 executions {run_id})",
        "es": "Registro de la ejecución: {folder} (de nuevo: capibara6 executions {run_id})",
    },
    # -- verdicts ----------------------------------------------------------------------------
    "verdict_taken": {
        "en": "Taken: an outcome of tier {tier}, and of {bullets} lessons.",
        "es": "Anotado: un resultado del nivel {tier} y de {bullets} lecciones.",
    },
    "verdict_known": {
        "en": "Nothing to learn from it: no model wrote the program, or it was judged before.",
        "es": "Nada que aprender: ningún modelo escribió el programa, o ya se había juzgado.",
    },
    "verdict_wrong": {
        "en": "Wrong: see above. It does not do what is asked.",
        "es": "Incorrecto: véase arriba. No hace lo que se pide.",
    },
    "verdict_untried": {
        "en": "Nothing is certainly wrong with it. It was not run: nothing more is proven.",
        "es": "No hay nada seguramente incorrecto. No se ejecutó: no se ha probado nada más.",
    },
    "verdict_ran": {
        "en": "It ran to its end in a sandbox. What it gave was compared with nothing.",
        "es": "Se ejecutó hasta el final en un entorno aislado. No se comparó el resultado.",
    },
    "verdict_held": {
        "en": "{passed} of {all} examples and tests held in a sandbox. Nothing else was tried.",
        "es": "{passed} de {all} ejemplos y pruebas se cumplieron en un entorno aislado. "
        "No se probó nada más.",
    },
    # -- starting ----------------------------------------------------------------------------
    "starting_server": {
        "en": "Starting the sandbox server …",
        "es": "Arrancando el servidor de entornos aislados …",
    },
    "serving": {
        "en": "The platform listens on {url} (documentation: {url}/docs). Ctrl-C ends it.",
        "es": "La plataforma escucha en {url} (documentación: {url}/docs). Ctrl-C la detiene.",
    },
    "degraded": {
        "en": "Weaker isolation here: {what}. `capibara6 doctor` says more.",
        "es": "Aislamiento más débil aquí: {what}. `capibara6 doctor` dice más.",
    },
    "serving_sandboxes": {
        "en": "The sandbox server listens on {url}.",
        "es": "El servidor de entornos aislados escucha en {url}.",
    },
    "interrupted": {"en": "Interrupted.", "es": "Interrumpido."},
    # -- local models ------------------------------------------------------------------------
    "installing_engine": {
        "en": "Compiling llama.cpp; this takes some minutes, once …",
        "es": "Compilando llama.cpp; tarda unos minutos, una sola vez …",
    },
    "engine_ready": {
        "en": "llama.cpp is installed ({python}).",
        "es": "llama.cpp está instalado ({python}).",
    },
    "engine_missing": {
        "en": "llama.cpp is missing: install it with `capibara6 models install`.",
        "es": "Falta llama.cpp: instálalo con `capibara6 models install`.",
    },
    "very_small_added": {
        "en": "“{model}” is a very small model: it is often wrong, and its answers say so.",
        "es": "«{model}» es un modelo muy pequeño: se equivoca a menudo; sus respuestas lo dicen.",
    },
    "no_models": {
        "en": "No local models. Add one: capibara6 models add smollm2",
        "es": "No hay modelos locales. Añade uno: capibara6 models add smollm2",
    },
    "model_removed": {
        "en": "“{model}” is no local model any more.",
        "es": "«{model}» ya no es un modelo local.",
    },
    "model_tested": {
        "en": (
            "“{model}” gave its first answer after {first_answer_s} s, loading included; "
            "then {tokens_per_s} tokens a second:\n{answer}"
        ),
        "es": (
            "«{model}» dio su primera respuesta a los {first_answer_s} s, contando la carga; "
            "después {tokens_per_s} tokens por segundo:\n{answer}"
        ),
    },
    # -- lists -------------------------------------------------------------------------------
    "no_executions": {"en": "No executions yet.", "es": "Todavía no hay ejecuciones."},
    "self_check_ok": {"en": "ok", "es": "bien"},
    "self_check_differs": {"en": "differs", "es": "difiere"},
    "self_check_not_offered": {"en": "not offered", "es": "no se ofrece"},
    "self_check_end": {
        "en": (
            "Provider {provider}, sandboxes run by {runtime}: {ok} as they should be, {differs} "
            "that differ, {not_offered} not offered."
        ),
        "es": (
            "Proveedor {provider}, sandboxes bajo {runtime}: {ok} como deben ser, {differs} que "
            "difieren, {not_offered} que no se ofrecen."
        ),
    },
    "check_ok": {"en": "ok", "es": "bien"},
    "check_warning": {"en": "warning", "es": "aviso"},
    "provider": {"en": "Provider: {provider}", "es": "Proveedor: {provider}"},
    "check_failed": {"en": "failed", "es": "fallo"},
}


def say(key: str, language: str, **fields: object) -> str:
    """The text `key` in `language` ("es" | "en"; any other reads English), with its fields."""
    versions = TEXTS[key]
    return versions.get(language, versions[DEFAULT_LANGUAGE]).format(**fields)
