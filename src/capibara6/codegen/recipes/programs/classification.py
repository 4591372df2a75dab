"""Predict a class from the other columns, and say honestly how well that works."""

import joblib
import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
)
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

# Parameters
TARGET = "segment"
FEATURES = []  # empty: all other columns
MODEL_FILE = "/home/user/model.joblib"
ROWS_MAX = 20000  # more are sampled
ROWS_PER_CLASS_MIN = 10  # rarer classes are left out
CLASSES_MAX = 20
SEED = 0
# End of parameters

threadpool_limits(1)  # a sandbox has a share of one CPU: more threads only wait for each other


def tells(words, target):
    """Say how far knowing `words` settles `target`: 0 not at all, 1 outright."""
    sure = target.groupby(words).apply(lambda group: group.value_counts().iloc[0]).sum()
    commonest = target.value_counts().iloc[0]
    return (sure - commonest) / (len(target) - commonest)


table = keep_rows(read_table())
used = table[table[TARGET].notna()]
classes = used[TARGET].map(label)
sizes = classes.value_counts()
kept = sizes[sizes >= ROWS_PER_CLASS_MIN].head(CLASSES_MAX).index
if len(kept) < 2:
    raise ValueError(
        text(
            en=f"{TARGET} has not two classes with {ROWS_PER_CLASS_MIN} rows each; nothing can be learnt.",
            es=f"{TARGET} no tiene dos clases con {ROWS_PER_CLASS_MIN} filas cada una; no se puede aprender.",
        )
    )
if len(kept) < len(sizes):
    notes.append(
        text(
            en=f"{len(sizes) - len(kept)} rare classes with {show(sizes.drop(kept).sum())} rows were left out.",
            es=f"Se dejaron fuera {len(sizes) - len(kept)} clases raras con {show(sizes.drop(kept).sum())} filas.",
        )
    )
used = used[classes.isin(kept)]
if len(used) > ROWS_MAX:
    used = used.sample(ROWS_MAX, random_state=SEED)
    notes.append(
        text(
            en=f"A sample of {show(ROWS_MAX)} rows was used.",
            es=f"Se usó una muestra de {show(ROWS_MAX)} filas.",
        )
    )
candidates = FEATURES or [name for name in table.columns if name != TARGET]
X, y = features_matrix(used, candidates), used[TARGET].map(label)
twins = [
    name for name in X.select_dtypes(exclude="number") if not FEATURES and tells(X[name], y) > 0.98
]
if twins:
    X = X.drop(columns=twins)
    notes.append(
        text(
            en=f"Left out because they tell {TARGET} outright: {', '.join(twins)}. Name them to use them.",
            es=f"Fuera porque ya dicen {TARGET}: {', '.join(twins)}. Nómbrelas para usarlas.",
        )
    )
if not len(X.columns):
    raise ValueError(
        text(
            en="No column is left to predict from.",
            es="No queda ninguna columna con la que predecir.",
        )
    )

words, numbers = (
    make_column_selector(dtype_exclude="number"),
    make_column_selector(dtype_include="number"),
)
linear_columns = make_column_transformer(
    (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
    (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10), words),
)
tree_columns = make_column_transformer(
    ("passthrough", numbers),
    (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), words),
)
models = {
    text(
        en="always the commonest class (baseline)", es="siempre la clase más común (referencia)"
    ): DummyClassifier(),
    text(en="logistic regression", es="regresión logística"): make_pipeline(
        linear_columns, LogisticRegression(max_iter=500)
    ),
    text(en="boosted trees", es="árboles potenciados"): make_pipeline(
        tree_columns, HistGradientBoostingClassifier(max_iter=60, random_state=SEED)
    ),
}
baseline = next(iter(models))

X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, random_state=SEED, stratify=y
)
folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
scores = {}
for name, model in models.items():
    validated = cross_val_score(
        model, X_train, y_train, cv=folds, scoring="balanced_accuracy"
    ).mean()
    predicted = model.fit(X_train, y_train).predict(X_test)
    scores[name] = (
        validated,
        balanced_accuracy_score(y_test, predicted),
        accuracy_score(y_test, predicted),
        f1_score(y_test, predicted, average="macro"),
    )
CV = text(en="balanced accuracy, cross-validated", es="exactitud equilibrada, validación cruzada")
BALANCED = text(en="balanced accuracy, test", es="exactitud equilibrada, prueba")
ACCURACY = text(en="accuracy, test", es="exactitud, prueba")
results = pd.DataFrame(scores, index=[CV, BALANCED, ACCURACY, "F1"]).T
best = results[CV].idxmax()

print(
    text(
        en=f"Predicting {TARGET} ({len(kept)} classes) from {len(X.columns)} columns, {show(len(X_train))} rows "
        f"to learn from and {show(len(X_test))} held out for the test.",
        es=f"Predicción de {TARGET} ({len(kept)} clases) con {len(X.columns)} columnas, {show(len(X_train))} filas "
        f"para aprender y {show(len(X_test))} apartadas para la prueba.",
    )
)
for name, row in results.iterrows():
    print(
        f"  {name}: {ACCURACY} {show(row[ACCURACY])}; {BALANCED} {show(row[BALANCED])}; F1 {show(row['F1'])}"
    )
print(
    text(
        en="Balanced accuracy counts every class the same, so that a rare one is not drowned.",
        es="La exactitud equilibrada da a cada clase el mismo peso, para que no se pierda una rara.",
    )
)
gain = results.loc[best, BALANCED] - results.loc[baseline, BALANCED]
if best == baseline or gain < 0.02:
    print(
        text(
            en="No model does clearly better than always saying the commonest class.",
            es="Ningún modelo mejora con claridad decir siempre la clase más común.",
        )
    )
else:
    print(
        text(
            en=f"Best by cross-validation: {best}, {show(100 * gain)} points of balanced accuracy over the baseline.",
            es=f"El mejor por validación cruzada: {best}, {show(100 * gain)} puntos de exactitud equilibrada sobre la referencia.",
        )
    )
print(
    text(
        en=f"Rows used: {show(len(used))} of {show(len(table))}.",
        es=f"Filas usadas: {show(len(used))} de {show(len(table))}.",
    )
)
display(results.reset_index(names=text(en="model", es="modelo")))

model = models[best]
if best != baseline:
    weights = permutation_importance(
        model, X_test, y_test, n_repeats=3, random_state=SEED, scoring="balanced_accuracy"
    )
    importance = pd.Series(weights.importances_mean, index=X.columns).sort_values(ascending=False)
    print(
        text(
            en="What matters most (accuracy lost when shuffled):",
            es="Lo que más pesa (exactitud perdida al barajarla):",
        )
    )
    for name, weight in importance.head(5).items():
        print(f"  {name}: {show(weight)}")
    COLUMN, WEIGHT = text(en="column", es="columna"), text(en="importance", es="importancia")
    display(pd.DataFrame({COLUMN: importance.index, WEIGHT: importance.to_numpy()}))

joblib.dump({"model": model, "columns": list(X.columns), "target": TARGET}, MODEL_FILE)
print(
    text(
        en=f"The model ({best}), trained on the rows to learn from, is in {MODEL_FILE}.",
        es=f"El modelo ({best}), entrenado con las filas para aprender, está en {MODEL_FILE}.",
    )
)

figure, axis = plt.subplots(figsize=(3 + 0.7 * len(kept), 2.5 + 0.6 * len(kept)))
ConfusionMatrixDisplay.from_predictions(
    y_test, model.predict(X_test), ax=axis, cmap="Blues", xticks_rotation=45, colorbar=False
)
axis.set_xlabel(text(en=f"{TARGET}, predicted", es=f"{TARGET}, predicho"))
axis.set_ylabel(text(en=f"{TARGET}, real", es=f"{TARGET}, real"))
axis.set_title(text(en="Held-out rows", es="Filas apartadas"))
figure.tight_layout()
plt.show()

for note in notes:
    print("·", note)
