"""Parts that the recipes share. Only what a program uses is copied into it."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

MISSING = [
    "",
    "na",
    "n/a",
    "nan",
    "null",
    "nil",
    "-",
    "--",
    "?",
    ".",
    "#n/a",
    "#n/d",
    "s/d",
    "n/d",
    "n.d.",
    "<na>",
]

NOTHING_LEFT = text(
    en="No row has a usable value in the columns asked for.",
    es="Ninguna fila tiene un valor utilizable en las columnas pedidas.",
)

notes = []  # what the reader should know about the data, printed last


def read_delimited():
    """Read every cell as text, so that nothing is guessed: `None` stays a word, 007 keeps its zeros."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cells = pd.read_csv(
            FILE,
            sep=DELIMITER,
            encoding=ENCODING,
            encoding_errors="replace",
            header=None,
            dtype=str,
            keep_default_na=False,
            on_bad_lines="warn",
            skipinitialspace=True,
            nrows=ROWS_READ,
        )
    skipped = sum(str(warning.message).count("Skipping line") for warning in caught)
    if skipped:
        notes.append(
            text(
                en=f"{skipped} lines with too many fields were left out.",
                es=f"Se omitieron {skipped} líneas con campos de más.",
            )
        )
    if ROWS_READ and len(cells) == ROWS_READ:
        notes.append(
            text(
                en=f"Only the first {ROWS_READ} lines were read.",
                es=f"Solo se leyeron las primeras {ROWS_READ} líneas.",
            )
        )
    if HEADER:
        names, cells = cells.iloc[0], cells.iloc[1:].reset_index(drop=True)
    else:
        names = [f"column_{i + 1}" for i in range(cells.shape[1])]
    cells.columns = unique_names(names)
    return typed(cells)


def read_json():
    """Read a list of records, an object that holds one, columns, or one record a line."""
    content = Path(FILE).read_text(encoding=ENCODING, errors="replace").lstrip("\ufeff")
    try:
        data = json.loads(content)
    except ValueError:
        data = [json.loads(line) for line in content.splitlines() if line.strip()]
    if isinstance(data, dict):
        lists = {key: value for key, value in data.items() if isinstance(value, list)}
        records = [value for value in lists.values() if value and isinstance(value[0], dict)]
        data = max(records, key=len) if records else lists
    if isinstance(data, list):
        data = [record for record in data if isinstance(record, dict)]
    cells = pd.DataFrame(data, dtype=object)
    cells.columns = [str(name) for name in cells.columns]
    return typed(cells.map(cell_text).astype("str"))


def read_excel():
    """Read the first sheet with the types that Excel gives its cells; `None` stays a word."""
    table = pd.read_excel(
        FILE, keep_default_na=False, na_values=[*MISSING, *(word.upper() for word in MISSING)]
    )
    table.columns = [str(name).strip() for name in table.columns]
    return table


def read_parquet():
    """Read a Parquet file with its own types."""
    return pd.read_parquet(FILE)


def read_feather():
    """Read a Feather file with its own types."""
    return pd.read_feather(FILE)


def cell_text(value):
    """Write a JSON value as text; null is the empty text."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def unique_names(names):
    """Name empty and repeated columns the way pandas does."""
    seen, unique = {}, []
    for index, name in enumerate(names):
        base = str(name).strip() or f"Unnamed: {index}"
        count = seen.get(base, 0)
        seen[base] = count + 1
        unique.append(f"{base}.{count}" if count else base)
    return unique


def typed(cells):
    """Mark missing cells; make numbers and dates of the columns that hold them."""
    cells = cells.apply(lambda column: column.str.strip())
    table = cells.mask(cells.apply(lambda column: column.str.lower().isin(MISSING)))
    table = table[table.notna().any(axis=1)].reset_index(drop=True)
    for name, convert in [(n, to_numbers) for n in NUMBERS] + [(d, to_dates) for d in DATES]:
        before = table[name].notna().sum()
        table[name] = convert(table[name])
        lost = before - table[name].notna().sum()
        if lost:
            kind = text(
                en="numbers" if name in NUMBERS else "dates",
                es="números" if name in NUMBERS else "fechas",
            )
            notes.append(
                text(
                    en=f"{lost} values of '{name}' are not {kind} and count as missing.",
                    es=f"{lost} valores de «{name}» no son {kind} y cuentan como ausentes.",
                )
            )
    return table


def to_numbers(cells):
    """Read `1,234.5`, `1.234,5`, `$ 12`, `15 %`, `1e6`."""
    plain = cells.str.replace(r"[\s$€£¥%']", "", regex=True)
    thousands = r"\." if DECIMAL_COMMA else ","
    plain = plain.str.replace(rf"{thousands}(?=\d{{3}}(?:\D|$))", "", regex=True)
    if DECIMAL_COMMA:
        plain = plain.str.replace(",", ".", regex=False)
    return pd.to_numeric(plain, errors="coerce").replace([np.inf, -np.inf], np.nan).astype(float)


def to_dates(cells):
    """Read ISO dates, day/month/year, and months by name in English or Spanish."""
    plain = cells.str.lower().str.replace(r"\sde\s", " ", regex=True)
    for spanish, english in [("ene", "jan"), ("abr", "apr"), ("ago", "aug"), ("dic", "dec")]:
        plain = plain.str.replace(rf"\b{spanish}[a-z]*", english, regex=True)
    plain = plain.str.replace(r"\b([a-z]{3})[a-z]+\b", r"\1", regex=True)
    iso = plain.str.match(r"\d{4}-", na=False)
    dates = pd.to_datetime(
        plain.mask(iso), format="mixed", dayfirst=DAY_FIRST, errors="coerce", utc=True
    )
    iso_dates = pd.to_datetime(plain.where(iso), format="ISO8601", errors="coerce", utc=True)
    return dates.fillna(iso_dates).dt.tz_localize(None)


def keep_rows(table):
    """Apply the question's conditions and say how many rows meet them."""
    kept = table
    for name, sign, wanted in FILTERS:
        kept = kept[meets(kept[name], sign, wanted)]
        written = " / ".join(wanted) if sign == "in" else wanted
        notes.append(
            text(
                en=f"Only rows with {name} {sign} {written}: {show(len(kept))} of {show(len(table))}.",
                es=f"Solo filas con {name} {sign} {written}: {show(len(kept))} de {show(len(table))}.",
            )
        )
    if kept.empty:
        raise ValueError(
            text(
                en="No row meets the conditions: " + " ".join(notes),
                es="Ninguna fila cumple las condiciones: " + " ".join(notes),
            )
        )
    return kept


def meets(column, sign, wanted):
    """Compare a column with a value of its own type; a date compares with a year."""
    if sign == "in":
        return column.astype("str").str.casefold().isin([str(item).casefold() for item in wanted])
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.dt.year if isinstance(wanted, int) else column
        wanted = wanted if isinstance(wanted, int) else pd.Timestamp(wanted)
    elif not pd.api.types.is_numeric_dtype(column):
        column, wanted = column.astype("str").str.casefold(), str(wanted).casefold()
    compare = {"=": "eq", "!=": "ne", ">": "gt", ">=": "ge", "<": "lt", "<=": "le"}[sign]
    return getattr(column, compare)(wanted).fillna(False).astype(bool)


def show(value):
    """Write a number for reading."""
    if pd.isna(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        written = f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    elif abs(value) >= 0.01:
        written = f"{value:,.2f}"
    else:
        written = f"{value:.3g}"
    return text(en=written, es=written.translate(str.maketrans(",.", ".,")))


def same_spelling(column):
    """Give values that differ only in case or spaces their commonest spelling."""
    plain = column.str.replace(r"\s+", " ", regex=True).str.strip()
    key = plain.str.casefold()
    counts = plain.groupby(key).value_counts()
    spelling = {folded: counts[folded].idxmax() for folded in counts.index.get_level_values(0)}
    return key.map(spelling).where(column.notna())


def sentence(words):
    """Begin with a capital and leave the rest, which may hold names, alone."""
    return words[:1].upper() + words[1:]


def label(value):
    """Write a group's name: years without thousands marks, dates without a time of 0:00."""
    if isinstance(value, tuple):
        return " · ".join(label(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return str(value)


def chance(p):
    """Write a p-value."""
    if p < 0.001:
        return text(en="p < 0.001", es="p < 0,001")
    return text(en=f"p = {p:.3f}", es=f"p = {p:.3f}".replace(".", ","))


def number_columns(table):
    """Return the names of the columns of numbers that have more than one value."""
    numbers = table.select_dtypes("number")
    return [name for name in numbers if numbers[name].nunique() > 1]


def features_matrix(table, features):
    """Make columns for a model: numbers, years of dates, words with few different values.

    Columns with a single value, or with over 40 different words, are left out and named.
    """
    chosen, left_out = pd.DataFrame(index=table.index), []
    year, none = text(en="year", es="año"), text(en="(none)", es="(nada)")
    for name in features:
        column = table[name]
        numeric = pd.api.types.is_numeric_dtype(column)
        if pd.api.types.is_datetime64_any_dtype(column):
            chosen[f"{name} ({year})"] = column.dt.year.astype(float)
        elif column.nunique() < 2 or (not numeric and column.nunique() > 40):
            left_out.append(name)
        elif numeric:
            chosen[name] = column.astype(float)
        else:
            chosen[name] = column.astype(object).where(column.notna(), none)
    if left_out:
        notes.append(
            text(
                en=f"Not used (one value, or over 40 different words): {', '.join(left_out)}.",
                es=f"No se usan (un valor, o más de 40 palabras distintas): {', '.join(left_out)}.",
            )
        )
    return chosen
