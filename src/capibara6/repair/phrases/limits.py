"""Words for what the sandbox does not allow, or does not have enough of."""

from typing import Final

LIMITS: Final = {
    "timeout": {
        "en": (
            "The program did not end in time.",
            "Do less work: sample the rows, use vectorised operations, smaller models, no "
            "endless loops.",
        ),
        "es": (
            "El programa no terminó a tiempo.",
            "Haz menos trabajo: toma una muestra de filas, usa operaciones vectorizadas, modelos "
            "más pequeños, ningún bucle sin fin.",
        ),
    },
    "out_of_memory": {
        "en": (
            "The program used more memory than the sandbox allows.",
            "Read only the columns needed, work in chunks, delete large tables; or choose a "
            "larger template.",
        ),
        "es": (
            "El programa usó más memoria de la que permite el entorno aislado.",
            "Lee solo las columnas necesarias, trabaja por trozos, borra tablas grandes; o elige "
            "una plantilla mayor.",
        ),
    },
    "memory": {
        "en": (
            "There is not enough memory: {message}.",
            "Work on fewer columns or rows, or in chunks.",
        ),
        "es": (
            "No hay memoria suficiente: {message}.",
            "Trabaja con menos columnas o filas, o por trozos.",
        ),
    },
    "disk_full": {
        "en": (
            "The sandbox's disk is full.",
            "Write less: aggregate first, or keep results in memory.",
        ),
        "es": (
            "El disco del entorno aislado está lleno.",
            "Escribe menos: agrega antes, o guarda los resultados en memoria.",
        ),
    },
    "output_limit": {
        "en": (
            "The program printed without end.",
            "Print a summary: head(), counts, the answer itself.",
        ),
        "es": (
            "El programa imprimió sin fin.",
            "Imprime un resumen: head(), recuentos, la propia respuesta.",
        ),
    },
    "processes": {
        "en": ("The program started too many processes or threads.", "Use n_jobs=1 and no pools."),
        "es": ("El programa inició demasiados procesos o hilos.", "Usa n_jobs=1 y ningún pool."),
    },
    "network_denied": {
        "en": (
            "The program wants the network, and the sandbox has none for it.",
            "Use only the files given ({files}) and the installed packages.",
        ),
        "es": (
            "El programa quiere usar la red y el entorno aislado no se la da.",
            "Usa solo los archivos dados ({files}) y los paquetes instalados.",
        ),
    },
    "killed_kernel": {
        "en": (
            "The process that ran the program died.",
            "Do not end or kill processes; use fewer data at a time and no native extensions.",
        ),
        "es": (
            "Murió el proceso que ejecutaba el programa.",
            "No termines ni mates procesos; usa menos datos a la vez y ninguna extensión nativa.",
        ),
    },
    "interrupted": {
        "en": ("The program was interrupted.", "Run it again, with less work."),
        "es": ("El programa fue interrumpido.", "Ejecútalo otra vez, con menos trabajo."),
    },
}
