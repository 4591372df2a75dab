"""Show how the values of a column are distributed."""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *
from scipy import stats

# Parameters
COLUMN = "price"
BINS = None  # None: chosen from the data
TOP = 15  # how many different words to show
# End of parameters

table = keep_rows(read_table())
present = table[COLUMN].dropna()
if present.empty:
    raise ValueError(NOTHING_LEFT)
used = text(
    en=f"Rows used: {show(len(present))} of {show(len(table))}.",
    es=f"Filas usadas: {show(len(present))} de {show(len(table))}.",
)
rows, share = text(en="rows", es="filas"), text(en="share %", es="% del total")

if pd.api.types.is_numeric_dtype(present):
    quantiles = present.quantile([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    skew = stats.skew(present) if present.nunique() > 1 else 0.0
    shape = text(en="roughly symmetric", es="más o menos simétrica")
    if abs(skew) > 0.5:
        shape = text(
            en="skewed, with a long tail of " + ("high" if skew > 0 else "low") + " values",
            es="asimétrica, con una cola larga de valores " + ("altos" if skew > 0 else "bajos"),
        )
    print(
        text(
            en=f"{COLUMN} goes from {show(present.min())} to {show(present.max())}; "
            f"half of the values lie between {show(quantiles[0.25])} and {show(quantiles[0.75])}.",
            es=f"{COLUMN} va de {show(present.min())} a {show(present.max())}; "
            f"la mitad de los valores está entre {show(quantiles[0.25])} y {show(quantiles[0.75])}.",
        )
    )
    print(
        text(
            en=f"Median {show(present.median())}, mean {show(present.mean())}: "
            f"the distribution is {shape} (skewness {show(skew)}).",
            es=f"Mediana {show(present.median())}, media {show(present.mean())}: "
            f"la distribución es {shape} (asimetría {show(skew)}).",
        )
    )
    if len(present) >= 20 and present.nunique() > 2:
        p = stats.normaltest(present).pvalue
        verdict = text(
            en="it does not look normal" if p < 0.05 else "nothing speaks against a normal one",
            es="no parece normal" if p < 0.05 else "nada contradice que sea normal",
        )
        print(
            text(
                en=f"D'Agostino-Pearson test: {verdict} ({chance(p)}).",
                es=f"Prueba de D'Agostino-Pearson: {verdict} ({chance(p)}).",
            )
        )
    summary = quantiles.rename(lambda q: f"{q:.0%}").rename(COLUMN).to_frame()
    display(summary.reset_index(names=text(en="quantile", es="cuantil")))
    plt.figure(figsize=(9, 5))
    plt.hist(present, bins=BINS or min(60, max(10, int(len(present) ** 0.5))), color="tab:blue")
    plt.axvline(present.median(), color="tab:red", label=text(en="median", es="mediana"))
    plt.axvline(present.mean(), color="tab:green", ls="--", label=text(en="mean", es="media"))
    plt.legend()
    plt.xlabel(COLUMN)
    plt.ylabel(rows)
else:
    counts = present.map(label).value_counts()
    frequencies = pd.DataFrame({rows: counts, share: (100 * counts / len(present)).round(2)})
    print(
        text(
            en=f"{COLUMN} has {show(len(counts))} different values. The commonest:",
            es=f"{COLUMN} tiene {show(len(counts))} valores distintos. Los más comunes:",
        )
    )
    for name, row in frequencies.head(TOP).iterrows():
        print(f"  {name}: {show(row[rows])} ({show(row[share])} %)")
    display(frequencies.head(100).reset_index(names=COLUMN))
    drawn = frequencies.head(TOP)[::-1]
    plt.figure(figsize=(9, 1.5 + 0.35 * len(drawn)))
    plt.barh(drawn.index, drawn[rows], color="tab:blue")
    plt.xlabel(rows)
    plt.ylabel(COLUMN)

print(used)
plt.title(text(en=f"Distribution of {COLUMN}", es=f"Distribución de {COLUMN}"))
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
