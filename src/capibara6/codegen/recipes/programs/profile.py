"""Say what the table holds: size, columns, kinds, missing values, repeated rows."""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *

# Parameters
# End of parameters

KINDS = {
    "number": text(en="number", es="número"),
    "date": text(en="date", es="fecha"),
    "words": text(en="text", es="texto"),
}


def kind(column):
    if pd.api.types.is_datetime64_any_dtype(column):
        return KINDS["date"]
    return KINDS["number" if pd.api.types.is_numeric_dtype(column) else "words"]


def example(column):
    """Show the range of numbers and dates, the commonest value of words."""
    present = column.dropna()
    if present.empty:
        return "–"
    if kind(column) == KINDS["words"]:
        return str(present.astype("str").mode().iloc[0])[:40]
    if kind(column) == KINDS["date"]:
        return f"{label(present.min())} … {label(present.max())}"
    return f"{show(present.min())} … {show(present.max())}"


table = keep_rows(read_table())
missing = table.isna().sum()
repeated = int(table.duplicated().sum())
overview = pd.DataFrame(
    {
        text(en="column", es="columna"): table.columns,
        text(en="kind", es="tipo"): [kind(table[name]) for name in table],
        text(en="missing", es="ausentes"): missing.to_numpy(),
        text(en="missing %", es="% ausentes"): (100 * missing / len(table)).round(1).to_numpy(),
        text(en="distinct", es="distintos"): [table[name].nunique() for name in table],
        text(en="range or commonest", es="rango o más común"): [example(table[n]) for n in table],
    }
)

print(
    text(
        en=f"The table has {show(len(table))} rows and {show(table.shape[1])} columns.",
        es=f"La tabla tiene {show(len(table))} filas y {show(table.shape[1])} columnas.",
    )
)
share = show(100 * missing.sum() / max(1, table.size))
print(
    text(
        en=f"Missing cells: {show(missing.sum())} ({share}%). Repeated rows: {show(repeated)}.",
        es=f"Celdas vacías: {show(missing.sum())} ({share} %). Filas repetidas: {show(repeated)}.",
    )
)
for name in missing[missing > 0].sort_values(ascending=False).head(5).index:
    print(
        text(
            en=f"  {name}: {show(missing[name])} missing",
            es=f"  {name}: faltan {show(missing[name])}",
        )
    )
print(overview.head(40).to_string(index=False))
display(overview)

incomplete = (100 * missing[missing > 0] / len(table)).sort_values().tail(25)
if len(incomplete):
    plt.figure(figsize=(9, 1.5 + 0.35 * len(incomplete)))
    plt.barh(incomplete.index.astype("str"), incomplete, color="tab:orange")
    plt.xlabel(text(en="missing values (%)", es="valores ausentes (%)"))
    plt.ylabel(text(en="column", es="columna"))
    plt.title(text(en="Incomplete columns", es="Columnas incompletas"))
    plt.tight_layout()
    plt.show()

for note in notes:
    print("·", note)
