"""Clean the table, say what was changed, and save it."""

from IPython.display import display
from prelude import *

# Parameters
OUTPUT = "/home/user/clean.csv"
# End of parameters

table = read_table()
rows_before, columns_before = table.shape
actions = []

empty_columns = [name for name in table if table[name].isna().all()]
table = table.drop(columns=empty_columns)
actions.append(
    (text(en="empty columns removed", es="columnas vacías eliminadas"), len(empty_columns))
)

respelt = 0
for name in table.columns:
    column = table[name]
    if not pd.api.types.is_string_dtype(column) or not 0 < column.nunique() <= 1000:
        continue
    unified = same_spelling(column)
    respelt += int((unified != column)[column.notna()].sum())
    table[name] = unified
actions.append((text(en="spellings unified", es="grafías unificadas"), respelt))

repeated = table.duplicated()
table = table[~repeated].reset_index(drop=True)
actions.append(
    (text(en="repeated rows removed", es="filas repetidas eliminadas"), int(repeated.sum()))
)

typed_columns = len(table.select_dtypes(["number", "datetime"]).columns)
actions.append(
    (text(en="columns as numbers or dates", es="columnas como números o fechas"), typed_columns)
)
actions.append(
    (
        text(en="missing cells left empty", es="celdas ausentes dejadas vacías"),
        int(table.isna().sum().sum()),
    )
)

for name in table.select_dtypes("datetime"):
    if (table[name].dropna() == table[name].dropna().dt.normalize()).all():
        table[name] = table[name].dt.strftime("%Y-%m-%d")
table = table.convert_dtypes()
table.to_csv(OUTPUT, index=False, encoding="utf-8")

print(
    text(
        en=f"The table went from {show(rows_before)} to {show(len(table))} rows "
        f"and from {columns_before} to {table.shape[1]} columns.",
        es=f"La tabla pasó de {show(rows_before)} a {show(len(table))} filas "
        f"y de {columns_before} a {table.shape[1]} columnas.",
    )
)
for action, count in actions:
    print(f"  {action}: {show(count)}")
print(
    text(
        en=f"Saved as {OUTPUT} (CSV, UTF-8, ISO dates, decimal point). No value was made up.",
        es=f"Guardada en {OUTPUT} (CSV, UTF-8, fechas ISO, punto decimal). No se inventó ningún valor.",
    )
)
display(
    pd.DataFrame(actions, columns=[text(en="action", es="acción"), text(en="count", es="cantidad")])
)
display(table.head(20))

for note in notes:
    print("·", note)
