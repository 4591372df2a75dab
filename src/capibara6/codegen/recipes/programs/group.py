"""Group rows and aggregate a value, or count the rows, in each group."""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *

# Parameters
GROUP_BY = ["region"]
VALUE = "sales"  # None: count the rows
AGGREGATE = "sum"  # count, sum, mean, median, min, max, std or nunique
TOP = 10  # how many groups to show; None: all
ASCENDING = False
# End of parameters

AGGREGATE_NAME = {
    "count": text(en="number of rows", es="número de filas"),
    "sum": text(en="sum", es="suma"),
    "mean": text(en="mean", es="media"),
    "median": text(en="median", es="mediana"),
    "min": text(en="minimum", es="mínimo"),
    "max": text(en="maximum", es="máximo"),
    "std": text(en="standard deviation", es="desviación típica"),
    "nunique": text(en="different values", es="valores distintos"),
}[AGGREGATE]

table = keep_rows(read_table())
used = table.dropna(subset=GROUP_BY + ([VALUE] if VALUE else [])).copy()
for name in GROUP_BY:
    if pd.api.types.is_string_dtype(used[name]):
        used[name] = same_spelling(used[name])
if used.empty:
    raise ValueError(NOTHING_LEFT)

of = text(en="of", es="de")
measure = AGGREGATE_NAME if VALUE is None else f"{AGGREGATE_NAME} {of} {VALUE}"
groups = used.groupby(GROUP_BY, observed=True)
values = groups.size() if VALUE is None else groups[VALUE].agg(AGGREGATE)
rows = text(en="rows", es="filas")
ranking = pd.DataFrame({measure: values, rows: groups.size()}).sort_values(
    [measure, rows], ascending=[ASCENDING, False], kind="stable"
)
shown = ranking if TOP is None else ranking.head(TOP)

by = ", ".join(GROUP_BY)
order = text(
    en="from the lowest" if ASCENDING else "from the highest",
    es="de menor a mayor" if ASCENDING else "de mayor a menor",
)
print(
    text(
        en=f"{sentence(measure)} by {by}, {order} ({len(shown)} of {show(len(ranking))} groups):",
        es=f"{sentence(measure)} por {by}, {order} ({len(shown)} de {show(len(ranking))} grupos):",
    )
)
for place, (name, row) in enumerate(shown.head(25).iterrows(), start=1):
    print(f"{place:>3}. {label(name)}: {show(row[measure])}  (n = {show(row[rows])})")
print(
    text(
        en=f"Rows used: {show(len(used))} of {show(len(table))}; the rest lack one of these values.",
        es=f"Filas usadas: {show(len(used))} de {show(len(table))}; al resto le falta algún dato.",
    )
    if len(used) < len(table)
    else text(en=f"Rows used: all {show(len(table))}.", es=f"Filas usadas: las {show(len(table))}.")
)

display(shown.reset_index() if VALUE else shown[[measure]].reset_index())

drawn = shown.head(25)[::-1]
plt.figure(figsize=(9, 1.5 + 0.35 * len(drawn)))
plt.barh([label(name) for name in drawn.index], drawn[measure], color="tab:blue")
plt.xlabel(measure)
plt.ylabel(by)
plt.title(text(en=f"{sentence(measure)} by {by}", es=f"{sentence(measure)} por {by}"))
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
