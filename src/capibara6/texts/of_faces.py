"""What terminals and verdicts say, while a platform starts and when it lists."""

from typing import Final

TEXTS: Final[dict[str, dict[str, str]]] = {
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
