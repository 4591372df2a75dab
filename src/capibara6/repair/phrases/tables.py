"""Words for tables and columns that are not what the program takes them for."""

from typing import Final

TABLES: Final = {
    "unknown_column": {
        "en": ("There is no column {missing}.{meant}", "The columns are: {columns}."),
        "es": ("No existe la columna {missing}.{meant}", "Las columnas son: {columns}."),
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
}
