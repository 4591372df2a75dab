"""Compare a value between groups: is the difference more than chance?"""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *
from scipy import stats

# Parameters
VALUE = "sales"
GROUP = "region"
LEVELS = ["north", "south"]  # fewer than two: the commonest groups
GROUPS_MAX = 8
# End of parameters

table = keep_rows(read_table())
used = table[[VALUE, GROUP]].dropna()
used = used.assign(**{GROUP: same_spelling(used[GROUP].map(label).astype("str"))})
sizes = used[GROUP].value_counts()
asked = {level.casefold() for level in LEVELS}
levels = [level for level in sizes.index if level.casefold() in asked]
if len(asked) < 2:
    levels = list(sizes[sizes >= 3].head(GROUPS_MAX).index)
used = used[used[GROUP].isin(levels)]
samples = {level: used.loc[used[GROUP] == level, VALUE] for level in levels}
samples = {level: values for level, values in samples.items() if len(values) >= 3}
if len(samples) < 2:
    raise ValueError(
        text(
            en="There are not two groups with at least three values each.",
            es="No hay dos grupos con al menos tres valores cada uno.",
        )
    )
if len(sizes) > len(samples):
    notes.append(
        text(
            en=f"{len(samples)} of the {show(len(sizes))} groups of {GROUP} were compared.",
            es=f"Se compararon {len(samples)} de los {show(len(sizes))} grupos de {GROUP}.",
        )
    )

summary = pd.DataFrame(
    {
        "n": {level: len(values) for level, values in samples.items()},
        text(en="mean", es="media"): {level: values.mean() for level, values in samples.items()},
        text(en="median", es="mediana"): {
            level: values.median() for level, values in samples.items()
        },
        text(en="std. deviation", es="desv. típica"): {
            level: values.std() for level, values in samples.items()
        },
    }
).sort_values(text(en="mean", es="media"), ascending=False)
for level, row in summary.iterrows():
    mean, median = row.iloc[1], row.iloc[2]
    print(
        text(
            en=f"{level}: mean {VALUE} {show(mean)}, median {show(median)} (n = {show(row['n'])})",
            es=f"{level}: {VALUE} media {show(mean)}, mediana {show(median)} (n = {show(row['n'])})",
        )
    )

if len(samples) == 2:
    (high, first), (low, second) = ((level, samples[level]) for level in summary.index)
    welch = stats.ttest_ind(first, second, equal_var=False)
    ranks = stats.mannwhitneyu(first, second)
    pooled = np.sqrt((first.var() + second.var()) / 2)
    effect = (first.mean() - second.mean()) / pooled if pooled else 0.0
    interval = welch.confidence_interval(0.95)
    difference = show(first.mean() - second.mean())
    print(
        text(
            en=f"{high} is {difference} above {low} on average "
            f"(95% interval {show(interval.low)} … {show(interval.high)}; Cohen's d = {show(effect)}).",
            es=f"{high} supera a {low} en {difference} de media "
            f"(intervalo del 95 %: {show(interval.low)} … {show(interval.high)}; d de Cohen = {show(effect)}).",
        )
    )
    tests = {"Welch t": welch.pvalue, "Mann-Whitney U": ranks.pvalue}
else:
    tests = {
        "ANOVA": stats.f_oneway(*samples.values()).pvalue,
        "Kruskal-Wallis": stats.kruskal(*samples.values()).pvalue,
    }

agree = {p < 0.05 for p in tests.values()}
if agree == {True}:
    verdict = text(
        en="The difference is larger than chance would make it.",
        es="La diferencia es mayor de lo que haría el azar.",
    )
elif agree == {False}:
    verdict = text(
        en="With these data the difference cannot be told from chance.",
        es="Con estos datos la diferencia no se distingue del azar.",
    )
else:
    verdict = text(
        en="The two tests disagree: means and ranks tell different stories, so be careful.",
        es="Las dos pruebas discrepan: medias y rangos cuentan cosas distintas; prudencia.",
    )
print(verdict, "; ".join(f"{name}: {chance(p)}" for name, p in tests.items()))
print(
    text(
        en=f"Rows used: {show(sum(map(len, samples.values())))} of {show(len(table))}.",
        es=f"Filas usadas: {show(sum(map(len, samples.values())))} de {show(len(table))}.",
    )
)
display(summary.reset_index(names=GROUP))

plt.figure(figsize=(9, 5))
plt.boxplot([samples[level] for level in summary.index], tick_labels=list(summary.index))
plt.xticks(rotation=30 if len(samples) > 4 else 0)
plt.xlabel(GROUP)
plt.ylabel(VALUE)
plt.title(text(en=f"{VALUE} by {GROUP}", es=f"{VALUE} por {GROUP}"))
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
