"""Answer with one number, or summarise the columns asked for."""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *

# Parameters
COLUMNS = ["sales"]  # empty: all columns of numbers, or the rows when a count is asked for
STATISTIC = "mean"  # count, sum, mean, median, min, max, std, nunique, or None for a summary
# End of parameters

STATISTICS = {
    "count": text(en="number of values", es="número de valores"),
    "sum": text(en="sum", es="suma"),
    "mean": text(en="mean", es="media"),
    "median": text(en="median", es="mediana"),
    "min": text(en="minimum", es="mínimo"),
    "max": text(en="maximum", es="máximo"),
    "std": text(en="standard deviation", es="desviación típica"),
    "nunique": text(en="number of different values", es="número de valores distintos"),
}

table = keep_rows(read_table())
columns = COLUMNS or ([] if STATISTIC == "count" else list(table.select_dtypes("number")))
if not columns and STATISTIC != "count":
    columns = list(table.columns)

if STATISTIC == "count" and not columns:
    print(text(en=f"There are {show(len(table))} rows.", es=f"Hay {show(len(table))} filas."))
for name in columns if STATISTIC else []:
    present = table[name].dropna()
    if present.empty:
        print(text(en=f"{name} has no values.", es=f"{name} no tiene valores."))
        continue
    value = getattr(present, STATISTIC)()
    written = show(value) if isinstance(value, (int, float, np.number)) else label(value)
    print(
        text(
            en=f"The {STATISTICS[STATISTIC]} of {name} is {written}.",
            es=f"{sentence(STATISTICS[STATISTIC])} de {name}: {written}.",
        )
    )
    print(
        text(
            en=f"  Rows used: {show(len(present))} of {show(len(table))}.",
            es=f"  Filas usadas: {show(len(present))} de {show(len(table))}.",
        )
    )
    if STATISTIC in ("min", "max"):
        print(text(en="  In this row:", es="  En esta fila:"))
        display(table[table[name] == value].head(5))

summary = (table[columns] if columns else table).describe().T if len(table.columns) else table
if STATISTIC is None:
    for name in columns:
        present = table[name].dropna()
        if pd.api.types.is_numeric_dtype(present) and len(present):
            print(
                text(
                    en=f"{name}: mean {show(present.mean())}, median {show(present.median())}, "
                    f"from {show(present.min())} to {show(present.max())}, "
                    f"standard deviation {show(present.std())} (n = {show(len(present))}).",
                    es=f"{name}: media {show(present.mean())}, mediana {show(present.median())}, "
                    f"de {show(present.min())} a {show(present.max())}, "
                    f"desviación típica {show(present.std())} (n = {show(len(present))}).",
                )
            )
        elif len(present):
            commonest = present.astype("str").value_counts()
            print(
                text(
                    en=f"{name}: {show(present.nunique())} different values in {show(len(present))} "
                    f"rows; the commonest is {commonest.index[0]} ({show(commonest.iloc[0])}).",
                    es=f"{name}: {show(present.nunique())} valores distintos en {show(len(present))} "
                    f"filas; el más común es {commonest.index[0]} ({show(commonest.iloc[0])}).",
                )
            )
if columns:
    display(summary.reset_index(names=text(en="column", es="columna")))

drawn = [name for name in columns if pd.api.types.is_numeric_dtype(table[name])][:6]
drawn = [name for name in drawn if table[name].notna().any()]
if drawn:
    figure, axes = plt.subplots(1, len(drawn), figsize=(3 + 2.5 * len(drawn), 4), squeeze=False)
    for axis, name in zip(axes[0], drawn, strict=True):
        axis.boxplot(table[name].dropna(), tick_labels=[""])
        axis.set_ylabel(name)
        axis.set_xlabel(f"n = {show(table[name].notna().sum())}")
    figure.suptitle(text(en="Spread of the values", es="Dispersión de los valores"))
    figure.tight_layout()
    plt.show()

for note in notes:
    print("·", note)
