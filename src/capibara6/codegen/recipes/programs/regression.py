"""Predict a number from the other columns, and say honestly how well that works."""

import joblib
import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

# Parameters
TARGET = "sales"
FEATURES = []  # empty: all other columns
MODEL_FILE = "/home/user/model.joblib"
ROWS_MAX = 20000  # more are sampled
SEED = 0
# End of parameters

threadpool_limits(1)  # a sandbox has a share of one CPU: more threads only wait for each other

table = keep_rows(read_table())
used = table[table[TARGET].notna()]
if len(used) > ROWS_MAX:
    used = used.sample(ROWS_MAX, random_state=SEED)
    notes.append(
        text(
            en=f"A sample of {show(ROWS_MAX)} rows was used.",
            es=f"Se usó una muestra de {show(ROWS_MAX)} filas.",
        )
    )
if len(used) < 30 or used[TARGET].nunique() < 3:
    raise ValueError(
        text(
            en=f"{TARGET} has {show(len(used))} usable values; a model needs at least 30, and 3 different ones.",
            es=f"{TARGET} tiene {show(len(used))} valores utilizables; un modelo necesita al menos 30, y 3 distintos.",
        )
    )

candidates = FEATURES or [name for name in table.columns if name != TARGET]
X, y = features_matrix(used, candidates), used[TARGET].astype(float)
twins = [name for name in X.select_dtypes("number") if not FEATURES and abs(X[name].corr(y)) > 0.98]
if twins:
    X = X.drop(columns=twins)
    notes.append(
        text(
            en=f"Left out because they all but repeat {TARGET}: {', '.join(twins)}. Name them to use them.",
            es=f"Fuera porque casi repiten {TARGET}: {', '.join(twins)}. Nómbrelas para usarlas.",
        )
    )
if X.empty or not len(X.columns):
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
    text(en="always the median (baseline)", es="siempre la mediana (referencia)"): DummyRegressor(
        strategy="median"
    ),
    text(en="linear (ridge)", es="lineal (ridge)"): make_pipeline(
        linear_columns, RidgeCV(np.logspace(-2, 4, 13))
    ),
    text(en="boosted trees", es="árboles potenciados"): make_pipeline(
        tree_columns, HistGradientBoostingRegressor(max_iter=60, random_state=SEED)
    ),
}
baseline = next(iter(models))

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=SEED)
folds = KFold(5, shuffle=True, random_state=SEED)
scores = {}
for name, model in models.items():
    errors = -cross_val_score(model, X_train, y_train, cv=folds, scoring="neg_mean_absolute_error")
    predicted = model.fit(X_train, y_train).predict(X_test)
    scores[name] = (
        errors.mean(),
        mean_absolute_error(y_test, predicted),
        r2_score(y_test, predicted),
    )
CV, TEST = (
    text(en="error, cross-validated", es="error, validación cruzada"),
    text(en="error, test", es="error, prueba"),
)
METRICS = [CV, TEST, text(en="R², test", es="R², prueba")]
results = pd.DataFrame(scores, index=METRICS).T
best = results[CV].idxmin()

print(
    text(
        en=f"Predicting {TARGET} from {len(X.columns)} columns, {show(len(X_train))} rows to learn from "
        f"and {show(len(X_test))} held out for the test. Error = mean absolute error.",
        es=f"Predicción de {TARGET} con {len(X.columns)} columnas, {show(len(X_train))} filas para aprender "
        f"y {show(len(X_test))} apartadas para la prueba. Error = error absoluto medio.",
    )
)
for name, row in results.iterrows():
    print(f"  {name}: {TEST} {show(row[TEST])}; R² {show(row.iloc[2])}")
saved = 100 * (1 - results.loc[best, TEST] / results.loc[baseline, TEST])
if best == baseline or saved < 1:
    print(
        text(
            en="No model does better than always saying the median: these columns do not predict it.",
            es="Ningún modelo mejora decir siempre la mediana: estas columnas no lo predicen.",
        )
    )
else:
    print(
        text(
            en=f"Best by cross-validation: {best}; on the test its error is {show(saved)}% below the baseline's.",
            es=f"El mejor por validación cruzada: {best}; en la prueba su error es un {show(saved)} % menor que la referencia.",
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
        model, X_test, y_test, n_repeats=3, random_state=SEED, scoring="neg_mean_absolute_error"
    )
    importance = pd.Series(weights.importances_mean, index=X.columns).sort_values(ascending=False)
    print(
        text(
            en="What matters most (error added when shuffled):",
            es="Lo que más pesa (error que añade barajarla):",
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

predicted = model.predict(X_test)
plt.figure(figsize=(7, 6))
plt.scatter(y_test, predicted, s=12, alpha=0.4)
ends = [y_test.min(), y_test.max()]
plt.plot(ends, ends, color="tab:red", ls="--")
plt.xlabel(text(en=f"{TARGET}, real", es=f"{TARGET}, real"))
plt.ylabel(text(en=f"{TARGET}, predicted", es=f"{TARGET}, predicho"))
plt.title(
    text(en="Held-out rows: prediction and truth", es="Filas apartadas: predicción y realidad")
)
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
