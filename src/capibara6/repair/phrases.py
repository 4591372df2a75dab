"""Cause and hint of each class of failure, in English and Spanish. Owns the words only.

Fields in braces come from the error itself and from the request (see `diagnosis`).
"""

from typing import Final

Phrase = tuple[str, str]  # cause, hint

PHRASES: Final[dict[str, dict[str, Phrase]]] = {
    "ambiguous_truth": {
        "en": (
            "A whole column or array stands where one true or false is wanted.",
            "Combine conditions with & and |, each in parentheses, or use .any() or .all().",
        ),
        "es": (
            "Una columna o matriz entera está donde se espera un solo verdadero o falso.",
            "Une condiciones con & y |, cada una entre paréntesis, o reduce con .any() o .all().",
        ),
    },
    "arguments": {
        "en": (
            "A function is called with arguments it does not take: {message}.",
            "Check its signature.",
        ),
        "es": (
            "Se llama a una función con argumentos que no admite: {message}.",
            "Revisa su firma.",
        ),
    },
    "assertion": {
        "en": (
            "An assertion of the program does not hold: {message}.",
            "Check what it assumes of the data.",
        ),
        "es": (
            "No se cumple una aserción del programa: {message}.",
            "Revisa lo que supone sobre los datos.",
        ),
    },
    "attribute": {
        "en": (
            "It uses an attribute that does not exist: {message}.",
            "Check the object's type and its methods.",
        ),
        "es": (
            "Usa un atributo que no existe: {message}.",
            "Revisa el tipo del objeto y sus métodos.",
        ),
    },
    "attribute_removed": {
        "en": (
            "{attribute} no longer exists in the installed version.",
            "Use {replacement} instead.",
        ),
        "es": (
            "{attribute} ya no existe en la versión instalada.",
            "Usa {replacement} en su lugar.",
        ),
    },
    "gone": {
        "en": (
            "{attribute} was removed from the installed version.",
            "Do without it; use the data files given.",
        ),
        "es": (
            "{attribute} se eliminó de la versión instalada.",
            "Prescinde de ello; usa los archivos de datos dados.",
        ),
    },
    "style": {
        "en": (
            "matplotlib has no style {attribute} any more.",
            "Use seaborn-v0_8, or sns.set_theme().",
        ),
        "es": (
            "matplotlib ya no tiene el estilo {attribute}.",
            "Usa seaborn-v0_8, o sns.set_theme().",
        ),
    },
    "errors_ignore": {
        "en": (
            "errors='ignore' no longer exists in the installed version.",
            "Use errors='coerce'.",
        ),
        "es": ("errors='ignore' ya no existe en la versión instalada.", "Usa errors='coerce'."),
    },
    "bad_value": {
        "en": (
            "A value cannot be used: {message}.",
            "Check the values and parameters before that step.",
        ),
        "es": (
            "Un valor no sirve: {message}.",
            "Revisa los valores y parámetros antes de ese paso.",
        ),
    },
    "date": {
        "en": (
            "A date cannot be read: {message}.",
            "Use pd.to_datetime(column, format=…) with the format of the examples, or "
            "dayfirst=True for day/month/year, and errors='coerce' for the odd ones.",
        ),
        "es": (
            "Una fecha no se puede leer: {message}.",
            "Usa pd.to_datetime(columna, format=…) con el formato de los ejemplos, o dayfirst=True "
            "para día/mes/año, y errors='coerce' para las raras.",
        ),
    },
    "number": {
        "en": (
            "The text {value} is not a number as Python writes it.",
            "Remove currency signs, blanks and thousands separators and turn a decimal comma into "
            "a point (.str.replace), or read with decimal=',' and thousands='.'; then "
            "pd.to_numeric(column, errors='coerce').",
        ),
        "es": (
            "El texto {value} no es un número como los escribe Python.",
            "Quita signos de moneda, espacios y separadores de miles y cambia la coma decimal por "
            "punto (.str.replace), o lee con decimal=',' y thousands='.'; luego "
            "pd.to_numeric(columna, errors='coerce').",
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
    "empty_data": {
        "en": (
            "There are no data left to work on: {message}.",
            "Check the file and the filters; print the length before that step.",
        ),
        "es": (
            "No quedan datos con los que trabajar: {message}.",
            "Revisa el archivo y los filtros; imprime la longitud antes de ese paso.",
        ),
    },
    "encoding": {
        "en": (
            "A file is not written in {codec}.",
            "Read it with encoding='latin-1' (or 'cp1252', 'utf-16').",
        ),
        "es": (
            "Un archivo no está escrito en {codec}.",
            "Léelo con encoding='latin-1' (o 'cp1252', 'utf-16').",
        ),
    },
    "encoding_write": {
        "en": (
            "A text holds characters that the encoding lacks: {message}.",
            "Use encoding='utf-8'.",
        ),
        "es": (
            "Un texto tiene caracteres que la codificación no admite: {message}.",
            "Usa encoding='utf-8'.",
        ),
    },
    "event_loop": {
        "en": (
            "An event loop already runs in the notebook.",
            "Write `await` at the top level, without asyncio.run.",
        ),
        "es": (
            "En el cuaderno ya hay un bucle de eventos en marcha.",
            "Escribe `await` en el nivel superior, sin asyncio.run.",
        ),
    },
    "exit": {
        "en": (
            "The program ended itself (exit {message}).",
            "Leave out sys.exit(), exit() and quit().",
        ),
        "es": (
            "El programa terminó por sí mismo (salida {message}).",
            "Quita sys.exit(), exit() y quit().",
        ),
    },
    "file_access": {
        "en": (
            "A place in the file system cannot be used so: {message}.",
            "Write files under /home/user.",
        ),
        "es": (
            "Un lugar del sistema de archivos no se puede usar así: {message}.",
            "Escribe los archivos en /home/user.",
        ),
    },
    "file_format": {
        "en": (
            "A file is not in the format it is read as: {message}.",
            "Look at its first lines and choose reader and separator (sep=';', sep='\\t', "
            "on_bad_lines='skip'). Files: {files}.",
        ),
        "es": (
            "Un archivo no tiene el formato con el que se lee: {message}.",
            "Mira sus primeras líneas y elige el lector y el separador (sep=';', sep='\\t', "
            "on_bad_lines='skip'). Archivos: {files}.",
        ),
    },
    "index": {
        "en": (
            "There is no row labelled {label}.",
            "Select rows by a condition, or use .get() or .iloc; print the index first.",
        ),
        "es": (
            "No hay ninguna fila con la etiqueta {label}.",
            "Selecciona filas con una condición, o usa .get() o .iloc; imprime antes el índice.",
        ),
    },
    "position": {
        "en": ("A position does not exist: {message}.", "Check the length before that step."),
        "es": ("Una posición no existe: {message}.", "Comprueba la longitud antes de ese paso."),
    },
    "input": {
        "en": (
            "The program waits for someone to type (input).",
            "Do without input(); write the values into the program.",
        ),
        "es": (
            "El programa espera a que alguien escriba (input).",
            "Prescinde de input(); escribe los valores en el programa.",
        ),
    },
    "interrupted": {
        "en": ("The program was interrupted.", "Run it again, with less work."),
        "es": ("El programa fue interrumpido.", "Ejecútalo otra vez, con menos trabajo."),
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
    "missing_file": {
        "en": ("There is no file {file}.", "The files are: {files}."),
        "es": ("No existe el archivo {file}.", "Los archivos son: {files}."),
    },
    "missing_module": {
        "en": (
            "The module {module} is not installed.",
            "Nothing can be installed: use {replacement}.",
        ),
        "es": (
            "El módulo {module} no está instalado.",
            "No se puede instalar nada: usa {replacement}.",
        ),
    },
    "missing_name": {
        "en": (
            "{owner} has no {attribute} to import.",
            "Check the name and the module it lives in.",
        ),
        "es": (
            "{owner} no tiene {attribute} que importar.",
            "Revisa el nombre y el módulo en el que está.",
        ),
    },
    "missing_values": {
        "en": (
            "The data hold missing values where none may be: {message}.",
            "Remove them with dropna() or fill them with fillna() first.",
        ),
        "es": (
            "Los datos tienen valores que faltan donde no puede haberlos: {message}.",
            "Elimínalos antes con dropna() o rellénalos con fillna().",
        ),
    },
    "name": {
        "en": ("The name {name} is not defined.", "Define or import it before it is used.{meant}"),
        "es": (
            "El nombre {name} no está definido.",
            "Defínelo o impórtalo antes de usarlo.{meant}",
        ),
    },
    "unbound": {
        "en": (
            "The variable {name} is used in a function before it has a value there.",
            "Pass it as an argument, or declare it with `global`.",
        ),
        "es": (
            "La variable {name} se usa en una función antes de tener valor en ella.",
            "Pásala como argumento, o declárala con `global`.",
        ),
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
    "other": {
        "en": (
            "The program raised {error}: {message}.",
            "Read the traceback and mend the line it names.",
        ),
        "es": (
            "El programa lanzó {error}: {message}.",
            "Lee la traza y corrige la línea que nombra.",
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
    "recursion": {
        "en": ("A function calls itself without end.", "Give it a case that ends, or use a loop."),
        "es": (
            "Una función se llama a sí misma sin fin.",
            "Dale un caso que termine, o usa un bucle.",
        ),
    },
    "shape": {
        "en": (
            "Lengths or shapes do not fit together: {message}.",
            "Print both shapes, and take both from the same filtered table.",
        ),
        "es": (
            "Las longitudes o formas no encajan: {message}.",
            "Imprime ambas formas, y toma ambas de la misma tabla filtrada.",
        ),
    },
    "two_dimensions": {
        "en": (
            "A table is wanted, and one column was given.",
            "Pass frame[['column']] with double brackets, or values.reshape(-1, 1).",
        ),
        "es": (
            "Se espera una tabla y se dio una sola columna.",
            "Pasa tabla[['columna']] con dobles corchetes, o values.reshape(-1, 1).",
        ),
    },
    "unpack": {
        "en": (
            "The number of values and of names differ: {message}.",
            "Check what the call returns.",
        ),
        "es": (
            "No coincide el número de valores con el de nombres: {message}.",
            "Revisa qué devuelve la llamada.",
        ),
    },
    "syntax": {
        "en": (
            "The program is not valid {language}: {message}.",
            "Mend that line; write code only, no prose.",
        ),
        "es": (
            "El programa no es {language} válido: {message}.",
            "Corrige esa línea; escribe solo código, sin prosa.",
        ),
    },
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
    "too_few_rows": {
        "en": (
            "There are too few rows for that: {message}.",
            "Use fewer clusters, folds or lags than rows.",
        ),
        "es": (
            "Hay muy pocas filas para eso: {message}.",
            "Usa menos grupos, particiones o retardos que filas.",
        ),
    },
    "type_mismatch": {
        "en": (
            "Types do not fit together: {message}.",
            "Convert first (astype, pd.to_numeric, pd.to_datetime, str).",
        ),
        "es": (
            "Los tipos no encajan: {message}.",
            "Convierte antes (astype, pd.to_numeric, pd.to_datetime, str).",
        ),
    },
    "text_for_number": {
        "en": (
            "Text stands where numbers are needed: {message}.",
            "Choose the numeric columns (select_dtypes('number'), numeric_only=True), convert with "
            "pd.to_numeric, or encode categories (pd.get_dummies).",
        ),
        "es": (
            "Hay texto donde hacen falta números: {message}.",
            "Elige las columnas numéricas (select_dtypes('number'), numeric_only=True), convierte "
            "con pd.to_numeric, o codifica las categorías (pd.get_dummies).",
        ),
    },
    "none": {
        "en": (
            "A value is None: {message}.",
            "Methods that change in place return None; a search may find nothing. Check "
            "before use.",
        ),
        "es": (
            "Un valor es None: {message}.",
            "Los métodos que modifican en el sitio devuelven None; una búsqueda puede no hallar "
            "nada. Comprueba antes de usarlo.",
        ),
    },
    "accessor_str": {
        "en": (
            ".str is used on a column that is not text.",
            "Convert it first: column.astype(str).str…",
        ),
        "es": (
            "Se usa .str en una columna que no es texto.",
            "Conviértela antes: columna.astype(str).str…",
        ),
    },
    "accessor_dt": {
        "en": (
            ".dt is used on a column that holds no dates.",
            "Convert it first with pd.to_datetime(column).",
        ),
        "es": (
            "Se usa .dt en una columna que no contiene fechas.",
            "Conviértela antes con pd.to_datetime(columna).",
        ),
    },
    "datetime_index": {
        "en": (
            "resample needs dates as the index.",
            "Convert with pd.to_datetime and set_index first, or pass on='column'.",
        ),
        "es": (
            "resample necesita fechas como índice.",
            "Convierte antes con pd.to_datetime y set_index, o pasa on='columna'.",
        ),
    },
    "unknown_column": {
        "en": ("There is no column {missing}.{meant}", "The columns are: {columns}."),
        "es": ("No existe la columna {missing}.{meant}", "Las columnas son: {columns}."),
    },
    "unknown_key": {
        "en": ("The key {key} does not exist.", "Check the keys first, or use .get()."),
        "es": ("La clave {key} no existe.", "Comprueba antes las claves, o usa .get()."),
    },
    "zero_division": {
        "en": (
            "Something is divided by zero.",
            "Check for zero, or for an empty selection, first.",
        ),
        "es": ("Se divide por cero.", "Comprueba antes que no sea cero ni una selección vacía."),
    },
}

MEANT: Final = {"en": " Perhaps {names}.", "es": " Quizá {names}."}
AT_LINE: Final = {"en": " (line {line}: {text})", "es": " (línea {line}: {text})"}
NOTHING_GIVEN: Final = {"en": "(none)", "es": "(ninguno)"}
COLUMNS_UNKNOWN: Final = {
    "en": "not known; print(df.columns) shows them",
    "es": "desconocidas; print(df.columns) las muestra",
}
_PACKAGES: Final = "numpy, pandas, scipy, scikit-learn, statsmodels, matplotlib, seaborn, plotly"
OTHER_PACKAGES: Final = {
    "en": f"what is there ({_PACKAGES})",
    "es": f"lo que hay ({_PACKAGES})",
}


def language_of(language: str) -> str:
    """The language in which the phrases speak; English for one they lack."""
    return language if language in MEANT else "en"
