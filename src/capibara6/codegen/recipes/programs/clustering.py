"""Find groups of similar rows (k-means)."""

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

# Parameters
FEATURES = ["price", "quantity"]  # empty: all columns of numbers
CLUSTERS = None  # None: the number from 2 to 8 with the best silhouette
LABEL = None  # a column that names the rows
LOGARITHMS = True  # compress long-tailed columns, so that a few giants are not a group each
OUTPUT = "/home/user/clusters.csv"
ROWS_MAX = 20000  # more are sampled
SEED = 0
# End of parameters

threadpool_limits(1)  # a sandbox has a share of one CPU: more threads only wait for each other

table = keep_rows(read_table())
features = list(FEATURES or number_columns(table))
thin = [name for name in features if table[name].notna().mean() < 0.5]
if not FEATURES and len(thin) < len(features):
    features = [name for name in features if name not in thin]
    if thin:
        notes.append(
            text(
                en=f"Not used, for lacking over half of their values: {', '.join(thin)}.",
                es=f"No se usan, por faltar más de la mitad de sus valores: {', '.join(thin)}.",
            )
        )
used = table.dropna(subset=features) if features else table.head(0)
if len(used) < 10:
    raise ValueError(
        text(
            en=f"Only {len(used)} rows have all of the columns needed; groups need at least 10.",
            es=f"Solo {len(used)} filas tienen todas las columnas necesarias; los grupos piden al menos 10.",
        )
    )
if len(used) > ROWS_MAX:
    used = used.sample(ROWS_MAX, random_state=SEED)
    notes.append(
        text(
            en=f"A sample of {show(ROWS_MAX)} rows was used.",
            es=f"Se usó una muestra de {show(ROWS_MAX)} filas.",
        )
    )

values = used[features].astype(float)
for name in features if LOGARITHMS else []:
    if values[name].min() >= 0 and values[name].skew() > 2:
        values[name] = np.log1p(values[name])
        notes.append(
            text(
                en=f"{name} has a long tail and was compared by its logarithm.",
                es=f"{name} tiene una cola larga y se comparó por su logaritmo.",
            )
        )
scaled = StandardScaler().fit_transform(values)
different = len(np.unique(scaled, axis=0))
sample = np.random.default_rng(SEED).permutation(len(scaled))[:3000]


def group_rows(count):
    return KMeans(count, n_init=10, random_state=SEED).fit_predict(scaled)


def quality(found):
    """Silhouette, from -1 to 1, on at most 3,000 rows."""
    some = found[sample]
    return silhouette_score(scaled[sample], some) if 1 < len(set(some)) < len(some) else -1.0


options = [CLUSTERS] if CLUSTERS else range(2, 9)
options = [count for count in options if 1 < count <= min(different, len(used) - 1)]
if not options:
    raise ValueError(
        text(
            en=f"The rows have {different} different values: they cannot be put into groups.",
            es=f"Las filas tienen {different} valores distintos: no se pueden agrupar así.",
        )
    )
tried = {count: group_rows(count) for count in options}
qualities = {count: quality(found) for count, found in tried.items()}
count = max(qualities, key=qualities.get)
by_size = pd.Series(tried[count]).value_counts().index
CLUSTER = text(en="cluster", es="grupo")
used = used.assign(
    **{CLUSTER: pd.Series(tried[count]).map({c: i + 1 for i, c in enumerate(by_size)}).to_numpy()}
)

quality_word = text(en="blurred: they overlap", es="borrosos: se solapan")
if qualities[count] > 0.5:
    quality_word = text(en="clear", es="claros")
elif qualities[count] > 0.25:
    quality_word = text(en="fairly clear", es="bastante claros")
print(
    text(
        en=f"{count} groups by {', '.join(features)}; they are {quality_word} (silhouette {show(qualities[count])}).",
        es=f"{count} grupos según {', '.join(features)}; son {quality_word} (silueta {show(qualities[count])}).",
    )
)
if len(qualities) > 1:
    print(
        text(
            en="The number was chosen by silhouette: "
            + ", ".join(f"{k}: {show(q)}" for k, q in qualities.items()),
            es="El número se eligió por silueta: "
            + ", ".join(f"{k}: {show(q)}" for k, q in qualities.items()),
        )
    )
ROWS = text(en="rows", es="filas")
profile = used.groupby(CLUSTER)[features].mean()
profile.insert(0, ROWS, used[CLUSTER].value_counts())
for number, row in profile.iterrows():
    means = ", ".join(f"{name} {show(row[name])}" for name in features[:6])
    examples = ""
    if LABEL:
        examples = "; " + ", ".join(
            used.loc[used[CLUSTER] == number, LABEL].dropna().astype("str").unique()[:3]
        )
    print(
        text(
            en=f"  Group {number} ({show(row[ROWS])} rows): mean {means}{examples}",
            es=f"  Grupo {number} ({show(row[ROWS])} filas): media {means}{examples}",
        )
    )
print(
    text(
        en=f"Rows used: {show(len(used))} of {show(len(table))}.",
        es=f"Filas usadas: {show(len(used))} de {show(len(table))}.",
    )
)
display(profile.reset_index())
used.to_csv(OUTPUT, index=False)
print(
    text(
        en=f"Every row with its group is in {OUTPUT}.",
        es=f"Cada fila con su grupo está en {OUTPUT}.",
    )
)

if len(features) == 2:
    points, (x_name, y_name) = used[features].to_numpy(float), features
else:
    points = PCA(min(2, len(features)), random_state=SEED).fit_transform(scaled)
    x_name, y_name = (
        text(en="main direction 1", es="dirección principal 1"),
        text(en="main direction 2", es="dirección principal 2"),
    )
if points.shape[1] == 1:
    points = np.column_stack([used[features[0]], used[CLUSTER]])
    x_name, y_name = features[0], CLUSTER
plt.figure(figsize=(8, 6))
for number in profile.index:
    mine = points[(used[CLUSTER] == number).to_numpy()]
    plt.scatter(mine[:, 0], mine[:, 1], s=14, alpha=0.5, label=f"{CLUSTER} {number}")
plt.xlabel(x_name)
plt.ylabel(y_name)
plt.title(text(en="Groups of similar rows", es="Grupos de filas parecidas"))
plt.legend()
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
