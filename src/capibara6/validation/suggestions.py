"""What an undefined name was probably meant to be: an import, or a name that exists. Pure."""

import ast
import builtins
import difflib
import sys
from collections.abc import Sequence
from typing import Final

from capibara6.syntax import nodes

_LIKENESS_MIN: Final = 0.7
_COMPARED_MAX: Final = 2_000
_ALIASES: Final = {
    "pd": "import pandas as pd",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "mpl": "import matplotlib as mpl",
    "mdates": "import matplotlib.dates as mdates",
    "mticker": "import matplotlib.ticker as mticker",
    "sns": "import seaborn as sns",
    "px": "import plotly.express as px",
    "go": "import plotly.graph_objects as go",
    "sm": "import statsmodels.api as sm",
    "smf": "import statsmodels.formula.api as smf",
    "sp": "import sympy as sp",
    "pa": "import pyarrow as pa",
    "bs4": "import bs4",
    "datetime": "from datetime import datetime",
    "dt": "import datetime as dt",
    "stats": "from scipy import stats",
    "Image": "from PIL import Image",
}
_MEMBERS: Final = {
    "collections": "Counter OrderedDict defaultdict deque namedtuple",
    "datetime": "date timedelta timezone",
    "dataclasses": "dataclass",
    "functools": "lru_cache partial reduce",
    "io": "BytesIO StringIO",
    "itertools": "chain combinations permutations product",
    "math": "ceil floor log pi sqrt",
    "pathlib": "Path",
    "typing": "Any Callable Dict Iterable List Optional Tuple Union",
    "IPython.display": "HTML Markdown",
    "bs4": "BeautifulSoup",
    "pandas": "DataFrame Series Timestamp read_csv read_excel to_datetime",
    "sklearn.model_selection": "GridSearchCV KFold cross_val_score train_test_split",
    "sklearn.linear_model": "Lasso LinearRegression LogisticRegression Ridge",
    "sklearn.ensemble": "GradientBoostingClassifier GradientBoostingRegressor "
    "IsolationForest RandomForestClassifier RandomForestRegressor",
    "sklearn.tree": "DecisionTreeClassifier DecisionTreeRegressor",
    "sklearn.cluster": "DBSCAN AgglomerativeClustering KMeans",
    "sklearn.decomposition": "PCA",
    "sklearn.preprocessing": "LabelEncoder MinMaxScaler OneHotEncoder StandardScaler",
    "sklearn.pipeline": "Pipeline make_pipeline",
    "sklearn.compose": "ColumnTransformer",
    "sklearn.impute": "SimpleImputer",
    "sklearn.metrics": "accuracy_score classification_report confusion_matrix f1_score "
    "mean_absolute_error mean_squared_error r2_score roc_auc_score silhouette_score",
    "scipy.stats": "linregress pearsonr spearmanr ttest_ind zscore",
}
_IMPORTS: Final = _ALIASES | {
    name: f"from {module} import {name}"
    for module, names in _MEMBERS.items()
    for name in names.split()
}
_PACKAGES: Final = ("numpy", "pandas", "matplotlib", "scipy", "seaborn", "sklearn", "requests")


def suggestion_for(name: str, bound: Sequence[str]) -> str:
    """What `name` may have meant, where `bound` are the names that the program binds.

    An import statement or another name, as it would stand in the program; "" without any.
    """
    if name in _IMPORTS:
        return _IMPORTS[name]
    if name in sys.stdlib_module_names or name in _PACKAGES:
        return f"import {name}"
    close = difflib.get_close_matches(name, bound[:_COMPARED_MAX], 1, _LIKENESS_MIN)
    close = close or difflib.get_close_matches(name, dir(builtins), 1, _LIKENESS_MIN)
    return close[0] if close else ""


def bound_names(tree: ast.Module) -> list[str]:
    """The names that a program binds anywhere, in alphabetical order."""
    return sorted({name for node in nodes(tree) for name in _names_bound_by(node)})


def _names_bound_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [(alias.asname or alias.name).partition(".")[0] for alias in aliases]
    return []
