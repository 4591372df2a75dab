"""What answers, their programs and candidates say."""

from typing import Final

TEXTS: Final[dict[str, dict[str, str]]] = {
    "no_model_used": {
        "en": "(No model was used: this is the answer of the recipe “{recipe}”.)",
        "es": "(No se usó ningún modelo: responde la receta «{recipe}».)",
    },
    "playbook_recipe": {
        "en": (
            "(No model was used: recipe {id} of the playbook answers, a program that was proven "
            "with “{question}”.)"
        ),
        "es": (
            "(No se usó ningún modelo: responde la receta {id} del recetario aprendido, un "
            "programa que se probó con «{question}».)"
        ),
    },
    "recipe_doubted_cause": {
        "en": "recipe {id} of the playbook ran, but {doubt}",
        "es": "la receta {id} del recetario aprendido se ejecutó, pero {doubt}",
    },
    "recipe_doubted_hint": {
        "en": "its answer is not given; the usual way follows",
        "es": "no se da su respuesta; se sigue por el camino habitual",
    },
    "doubt_other_answer": {
        "en": "it does not print what it printed of the same data when it was proven",
        "es": "no imprime lo que imprimió de los mismos datos cuando se probó",
    },
    "doubt_empty": {
        "en": "its answer is empty or undefined, as it was not when it was proven",
        "es": "su respuesta está vacía o sin definir, y no lo estaba cuando se probó",
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
        "en": "it came furthest",
        "es": "es el que llegó más lejos",
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
        "en": "No candidate of {count} may stand; the best of them is {number}: {reason}",
        "es": "Ningún candidato de {count} sirve; el mejor es el {number}: {reason}",
    },
    "writer_hint": {
        "en": "Another tier is asked, if one is configured.",
        "es": "Se pregunta a otro nivel, si hay uno configurado.",
    },
}
