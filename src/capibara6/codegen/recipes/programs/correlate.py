"""Measure how columns of numbers go together."""

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import display
from prelude import *
from scipy import stats

# Parameters
COLUMNS = ["price", "quantity"]  # fewer than two: all columns of numbers
TARGET = None  # rank the pairs of this column only
# End of parameters


def strength(r):
    """Put a coefficient into words (Cohen 1988: 0.1, 0.3, 0.5)."""
    size = abs(r)
    if size < 0.1:
        return text(en="next to none", es="casi nula")
    sign = text(en="positive" if r > 0 else "negative", es="positiva" if r > 0 else "negativa")
    if size < 0.3:
        return text(en=f"weak, {sign}", es=f"débil y {sign}")
    if size < 0.5:
        return text(en=f"moderate, {sign}", es=f"moderada y {sign}")
    return text(en=f"strong, {sign}", es=f"fuerte y {sign}")


table = keep_rows(read_table())
columns = COLUMNS if len(COLUMNS) > 1 else number_columns(table)[:40]
pairs = [
    (first, second)
    for index, first in enumerate(columns)
    for second in columns[index + 1 :]
    if TARGET in (None, first, second)
]

found = []
for first, second in pairs:
    both = table[[first, second]].dropna()
    if len(both) < 3 or both[first].nunique() < 2 or both[second].nunique() < 2:
        continue
    pearson, spearman = (
        stats.pearsonr(both[first], both[second]),
        stats.spearmanr(*both.T.to_numpy()),
    )
    found.append((first, second, len(both), pearson.statistic, spearman.statistic, spearman.pvalue))
if not found:
    raise ValueError(
        text(
            en="No two columns of numbers have at least three rows with different values in both.",
            es="No hay dos columnas de números con al menos tres filas de valores distintos en ambas.",
        )
    )

A, B = text(en="column A", es="columna A"), text(en="column B", es="columna B")
ranking = pd.DataFrame(found, columns=[A, B, "n", "Pearson r", "Spearman ρ", "p"])
ranking = ranking.sort_values("Spearman ρ", key=abs, ascending=False, ignore_index=True)
for _, row in ranking.head(10).iterrows():
    print(
        text(
            en=f"{row[A]} and {row[B]}: {strength(row['Spearman ρ'])} "
            f"(Pearson r = {show(row['Pearson r'])}, Spearman ρ = {show(row['Spearman ρ'])}, "
            f"{chance(row['p'])}, n = {show(row['n'])}).",
            es=f"{row[A]} y {row[B]}: {strength(row['Spearman ρ'])} "
            f"(Pearson r = {show(row['Pearson r'])}, Spearman ρ = {show(row['Spearman ρ'])}, "
            f"{chance(row['p'])}, n = {show(row['n'])}).",
        )
    )
print(
    text(
        en="The words follow Spearman's ρ, which does not mind extreme values. "
        "Going together is not the same as one causing the other.",
        es="Las palabras siguen la ρ de Spearman, a la que no le afectan los extremos. "
        "Ir juntas no quiere decir que una cause la otra.",
    )
)
display(ranking)

if len(columns) == 2:
    first, second = columns
    both = table[[first, second]].dropna()
    both = both.sample(min(len(both), 5000), random_state=0)
    plt.figure(figsize=(8, 5))
    plt.scatter(both[first], both[second], s=12, alpha=0.4)
    slope, intercept = np.polyfit(both[first], both[second], 1)
    ends = np.array([both[first].min(), both[first].max()])
    plt.plot(ends, slope * ends + intercept, color="tab:red")
    plt.xlabel(first)
    plt.ylabel(second)
    plt.title(f"{first} – {second}")
else:
    matrix = table[columns].corr(method="spearman")
    size = 4 + 0.5 * len(columns)
    plt.figure(figsize=(size + 2, size))
    sns.heatmap(matrix, annot=len(columns) <= 15, fmt=".2f", cmap="vlag", vmin=-1, vmax=1)
    plt.xlabel(text(en="column", es="columna"))
    plt.ylabel(text(en="column", es="columna"))
    plt.title(text(en="Correlation (Spearman ρ)", es="Correlación (ρ de Spearman)"))
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
