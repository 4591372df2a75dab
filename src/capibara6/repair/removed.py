"""What newer versions of the sandbox's packages no longer have, and what to write instead."""

import re
from typing import Final

_NUMPY: Final = {
    **{name: name for name in ("float", "int", "bool", "object", "str", "complex")},
    "NaN": "np.nan",
    "NAN": "np.nan",
    "Inf": "np.inf",
    "Infinity": "np.inf",
    "PINF": "np.inf",
    "NINF": "-np.inf",
    "float_": "np.float64",
    "long": "int",
    "product": "np.prod",
    "cumproduct": "np.cumprod",
    "trapz": "np.trapezoid",
    "in1d": "np.isin",
    "row_stack": "np.vstack",
    "alltrue": "np.all",
    "sometrue": "np.any",
    "round_": "np.round",
    "asfarray": "np.asarray(x, dtype=float)",
    "msort": "np.sort",
    "bool8": "np.bool_",
    "unicode_": "np.str_",
    "string_": "np.bytes_",
}
_COLLECTIONS: Final = (
    "Mapping MutableMapping Sequence MutableSequence Iterable Iterator Callable Set Hashable Sized "
    "Container Generator"
)

# Owner and name, as errors give them; "*" stands for any owner.
_NAMES: Final = {
    "DataFrame.append": "pd.concat([frame, other], ignore_index=True)",
    "Series.append": "pd.concat([series, other])",
    "DataFrame.applymap": "DataFrame.map",
    "*.iteritems": "items()",
    "*.ix": ".loc or .iloc",
    "*.mad": "(x - x.mean()).abs().mean()",
    "*.lookup": "loc with explicit rows and columns",
    "*.is_monotonic": "is_monotonic_increasing",
    "*.as_matrix": "to_numpy()",
    "*.swapaxes": ".T",
    "*.week": "dt.isocalendar().week",
    "*.weekofyear": "dt.isocalendar().week",
    "*.get_feature_names": "get_feature_names_out()",
    "DataFrame.backfill": "bfill()",
    "DataFrame.pad": "ffill()",
    "*.tsplot": "sns.lineplot",
    "XlsxWriter.save": "close(), or a with block",
    "OpenpyxlWriter.save": "close(), or a with block",
    "pandas.datetime": "from datetime import datetime",
    "pandas.np": "import numpy as np",
    "pandas.Int64Index": "pd.Index(..., dtype='int64')",
    "pandas.Float64Index": "pd.Index(..., dtype='float64')",
    "pandas.Panel": "a DataFrame with a MultiIndex",
    "pandas.rolling_mean": "Series.rolling(n).mean()",
    "matplotlib.cm.get_cmap": "matplotlib.colormaps[name]",
    "seaborn.factorplot": "sns.catplot",
    "seaborn.distplot": "sns.histplot(..., kde=True)",
    "PIL.Image.ANTIALIAS": "Image.Resampling.LANCZOS",
    "sklearn.metrics.plot_confusion_matrix": "ConfusionMatrixDisplay.from_estimator",
    "sklearn.metrics.plot_roc_curve": "RocCurveDisplay.from_estimator",
    "sklearn.metrics.plot_precision_recall_curve": "PrecisionRecallDisplay.from_estimator",
    "sklearn.datasets.load_boston": "the data files of the request",
    "sklearn.preprocessing.Imputer": "sklearn.impute.SimpleImputer",
    "sklearn.externals.joblib": "import joblib",
    "sklearn.externals.six": "Python 3 itself",
    "scipy.integrate.simps": "scipy.integrate.simpson",
    "scipy.integrate.trapz": "scipy.integrate.trapezoid",
    "scipy.integrate.cumtrapz": "scipy.integrate.cumulative_trapezoid",
    "scipy.interp": "np.interp",
    "statsmodels.tsa.arima_model.ARIMA": "statsmodels.tsa.arima.model.ARIMA",
    **{f"numpy.{name}": new for name, new in _NUMPY.items()},
    **{f"collections.{name}": f"collections.abc.{name}" for name in _COLLECTIONS.split()},
}

# Keyword, the functions it was removed from, what to write instead.
_KEYWORDS: Final = (
    ("method", r"fillna|replace|reindex", "ffill() or bfill()"),
    ("error_bad_lines", r"read_\w+", "on_bad_lines='skip'"),
    ("warn_bad_lines", r"read_\w+", "on_bad_lines='warn'"),
    ("infer_datetime_format", r"\w+", "the call without it; formats are inferred"),
    ("date_parser", r"read_\w+", "date_format, or pd.to_datetime afterwards"),
    ("squeeze", r"read_\w+", '.squeeze("columns") afterwards'),
    ("delim_whitespace", r"read_\w+", r"sep=r'\s+'"),
    ("mangle_dupe_cols", r"read_\w+", "the call without it"),
    ("line_terminator", r"to_csv", "lineterminator"),
    ("axis", r"groupby|rolling|resample|pct_change", "frame.T first; there is no axis any more"),
    ("level", r"sum|mean|count|max|min|median|std", "groupby(level=...) first"),
    ("closed", r"date_range|between", "inclusive"),
    ("sparse", r"__init__", "sparse_output"),
    ("squared", r"\w*", "root_mean_squared_error from sklearn.metrics"),
    ("normalize", r"__init__", "StandardScaler in a pipeline"),
    ("base_estimator", r"__init__", "estimator"),
    ("affinity", r"__init__", "metric"),
    ("shade", r"\w+", "fill"),
    ("ci", r"\w+", "errorbar"),
    ("labels", r"boxplot", "tick_labels"),
)
_FREQUENCIES: Final = {
    "M": "ME",
    "BM": "BME",
    "Q": "QE",
    "A": "YE",
    "Y": "YE",
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "U": "us",
    "N": "ns",
    "CBM": "CBME",
    "BQ": "BQE",
    "BA": "BYE",
}


def replacement_for_name(owner: str, name: str) -> str | None:
    """What replaces an attribute, or an import, that is gone; None when it is not known as gone."""
    return _NAMES.get(f"{owner}.{name}") or _NAMES.get(f"*.{name}")


def replacement_for_keyword(function: str, keyword: str) -> str | None:
    """What replaces a keyword argument that is gone."""
    for gone, functions, replacement in _KEYWORDS:
        if gone == keyword and re.fullmatch(functions, function):
            return replacement
    return None


def replacement_for_frequency(alias: str) -> str | None:
    """What replaces a frequency alias that is gone, such as "ME" for "M"."""
    return _FREQUENCIES.get(alias)
