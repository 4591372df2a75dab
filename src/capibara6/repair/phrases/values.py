"""Words for values that are missing, or cannot be read as what they should be."""

from typing import Final

VALUES: Final = {
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
}
