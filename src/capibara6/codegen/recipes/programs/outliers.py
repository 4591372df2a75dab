"""Find values far from the rest."""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *

# Parameters
COLUMNS = ["price"]  # empty: all columns of numbers
TOP = 10  # rows to show
# End of parameters


def fences(values):
    """Tukey's fences: 1.5 times the middle half's width beyond its ends."""
    low, high = values.quantile([0.25, 0.75])
    return low - 1.5 * (high - low), high + 1.5 * (high - low)


table = keep_rows(read_table())
columns = COLUMNS or number_columns(table)
found = []
for name in columns:
    values = table[name].dropna()
    if len(values) < 5 or values.nunique() < 2:
        notes.append(
            text(
                en=f"{name} has too few different values.",
                es=f"{name} tiene pocos valores distintos.",
            )
        )
        continue
    judged = values
    if values.quantile(0.25) == values.quantile(0.75):
        common = values.mode().iloc[0]
        judged = values[values != common]
        notes.append(
            text(
                en=f"Over half of {name} is {show(common)}: only the other {show(len(judged))} "
                "values were judged, among themselves.",
                es=f"Más de la mitad de {name} es {show(common)}: solo se juzgaron los otros "
                f"{show(len(judged))} valores, entre sí.",
            )
        )
    if len(judged) < 5:
        continue
    low, high = fences(judged)
    extreme = judged[(judged < low) | (judged > high)]
    found.append((name, len(values), len(extreme), 100 * len(extreme) / len(values), low, high))
    print(
        text(
            en=f"{name}: {show(len(extreme))} outliers among {show(len(values))} values "
            f"({show(found[-1][3])}%), outside {show(low)} … {show(high)}.",
            es=f"{name}: {show(len(extreme))} valores atípicos entre {show(len(values))} "
            f"({show(found[-1][3])} %), fuera de {show(low)} … {show(high)}.",
        )
    )
    if len(extreme):
        farthest = (extreme - judged.median()).abs().sort_values(ascending=False).head(TOP)
        far = ", ".join(show(value) for value in extreme[farthest.index].head(5))
        print(text(en=f"  The farthest: {far}.", es=f"  Los más alejados: {far}."))
        if len(columns) <= 3:
            display(table.loc[farthest.index])
if not found:
    raise ValueError(NOTHING_LEFT)

names = text(
    en=["column", "values", "outliers", "%", "lower fence", "upper fence"],
    es=["columna", "valores", "atípicos", "%", "límite inferior", "límite superior"],
)
display(pd.DataFrame(found, columns=names))
print(
    text(
        en="An outlier is not an error by itself: look at the rows before removing any.",
        es="Un valor atípico no es por sí mismo un error: mire las filas antes de quitar alguna.",
    )
)

drawn = [row[0] for row in found][:6]
figure, axes = plt.subplots(len(drawn), 1, figsize=(9, 1 + 1.6 * len(drawn)), squeeze=False)
for axis, name in zip(axes[:, 0], drawn, strict=True):
    axis.boxplot(table[name].dropna(), orientation="horizontal", tick_labels=[""])
    axis.set_xlabel(name)
    axis.set_ylabel(text(en="all rows", es="filas"))
figure.suptitle(
    text(en="Outliers (beyond the whiskers)", es="Valores atípicos (más allá de los bigotes)")
)
figure.tight_layout()
plt.show()

for note in notes:
    print("·", note)
