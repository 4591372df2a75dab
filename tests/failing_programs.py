"""Programs that fail as generated programs do, with the class that the diagnosis must name.

`record_tracebacks.py` runs them in the template's Python; what they raised there is recorded in
`unit/tracebacks.json`, so that the tests need no pandas.
"""

from dataclasses import dataclass

FILMS_CSV = """Title,US Gross,Production Budget,Release Date,Rating,Year
The Land Girls,146083,8000000,1998-06-12,6.1,1998
First Love,10876,300000,1998-08-07,6.9,1998
Slam,1087521,1000000,1998-10-09,3.4,1998
Mississippi Mermaid,24551,1600000,1999-01-15,,1999
"""
SALES_CSV = "Región;Ventas;Fecha\nAndalucía;1.234,50;31/01/2024\nAragón;987,00;15/02/2024\n"
COLUMNS = ("Title", "US Gross", "Production Budget", "Release Date", "Rating", "Year")

_READ = "import pandas as pd\nimport numpy as np\nfilms = pd.read_csv('films.csv')\n"
_SALES = "import pandas as pd\nsales = pd.read_csv('sales.csv', sep=';', encoding='latin-1')\n"
_X = _READ + "X, y = films[['Year', 'Rating']], films['US Gross']\n"


@dataclass(frozen=True)
class Failing:
    """A program and what its diagnosis must say."""

    kind: str
    code: str
    words: tuple[str, ...] = ()  # in cause and hint, whatever the language


FAILING = {
    # -- columns
    "column": Failing(
        "unknown_column", _READ + "films['US_Gross'].mean()", ("US_Gross", "US Gross")
    ),
    "columns": Failing("unknown_column", _READ + "films[['Title', 'Genre']]", ("Genre", "Rating")),
    "all columns": Failing("unknown_column", _READ + "films[['a', 'title']]", ("title", "Title")),
    "column group": Failing("unknown_column", _READ + "films.groupby('year').size()", ("Year",)),
    "column group list": Failing(
        "unknown_column", _READ + "films.groupby(['Title', 'year']).size()", ("Year",)
    ),
    "column aggregate": Failing(
        "unknown_column", _READ + "films.groupby('Year').agg({'rating': 'mean'})", ("Rating",)
    ),
    "column aggregate named": Failing(
        "unknown_column", _READ + "films.groupby('Year').agg(m=('rating', 'mean'))", ("Rating",)
    ),
    "column of group": Failing(
        "unknown_column", _READ + "films.groupby('Year')['Ratings'].mean()", ("Ratings", "Rating")
    ),
    "column sort": Failing("unknown_column", _READ + "films.sort_values('Gross')", ("US Gross",)),
    "column drop": Failing("unknown_column", _READ + "films.drop(columns=['Titel'])", ("Title",)),
    "column loc": Failing("unknown_column", _READ + "films.loc[:, 'Titel']", ("Titel", "Title")),
    "column index": Failing("unknown_column", _READ + "films.set_index('title')", ("Title",)),
    "column attribute": Failing("unknown_column", _READ + "films.Titel", ("Titel", "Title")),
    "column query": Failing("unknown_column", _READ + "films.query('Ratin > 3')", ("Rating",)),
    "column eval": Failing("unknown_column", _READ + "films.eval('Ratin + 1')", ("Rating",)),
    "column usecols": Failing(
        "unknown_column",
        "import pandas as pd\npd.read_csv('films.csv', usecols=['title'])",
        ("Title",),
    ),
    "column parse_dates": Failing(
        "unknown_column",
        "import pandas as pd\npd.read_csv('films.csv', parse_dates=['Date'])",
        ("Release Date",),
    ),
    "column merge": Failing("unknown_column", _READ + "films.merge(films, on='title')", ("Title",)),
    "column melt": Failing(
        "unknown_column", _READ + "films.melt(id_vars=['Titles'], value_vars=['Year'])", ("Title",)
    ),
    "column pivot": Failing(
        "unknown_column", _READ + "films.pivot_table(index='Year', values='rating')", ("Rating",)
    ),
    "column duplicates": Failing(
        "unknown_column", _READ + "films.drop_duplicates(subset=['title'])", ("Title",)
    ),
    "column dropna": Failing(
        "unknown_column", _READ + "films.dropna(subset=['rating'])", ("Rating",)
    ),
    "column explode": Failing("unknown_column", _READ + "films.explode('title')", ("Title",)),
    "column plot": Failing("unknown_column", _READ + "films.plot(x='year', y='Rating')", ("Year",)),
    "column seaborn": Failing(
        "unknown_column",
        _READ + "import seaborn as sns\nsns.scatterplot(data=films, x='Years', y='Rating')",
        ("Years", "Year"),
    ),
    "column plotly": Failing(
        "unknown_column",
        _READ + "import plotly.express as px\npx.scatter(films, x='Years', y='Rating')",
        ("Years", "Year"),
    ),
    "column formula": Failing(
        "unknown_column",
        _READ + "import statsmodels.formula.api as smf\nsmf.ols('Rating ~ Years', films)",
        ("Years", "Year"),
    ),
    "column transformer": Failing(
        "unknown_column",
        _X + "from sklearn.compose import ColumnTransformer\n"
        "ColumnTransformer([('a', 'passthrough', ['Yeer'])]).fit_transform(X)",
        ("Yeer", "Year"),
    ),
    "column Spanish": Failing("unknown_column", _SALES + "sales['Region']", ("Region",)),
    "row label": Failing("index", _READ + "films.loc['The Land Girls']", ("The Land Girls",)),
    "row number": Failing("index", _READ + "films.loc[99]", ("99",)),
    "series label": Failing(
        "index", _READ + "films['Title'].value_counts()['Batman']", ("Batman",)
    ),
    "dictionary": Failing("unknown_key", "prices = {'a': 1}\nprices['b']", ("'b'",)),
    # -- modules, files
    "module": Failing("missing_module", "import prophet", ("prophet",)),
    "module of a package": Failing(
        "attribute_removed", "from sklearn.externals import joblib", ("import joblib",)
    ),
    "module lightgbm": Failing("missing_module", "import lightgbm as lgb", ("lightgbm",)),
    "engine": Failing("missing_module", _READ + "films.to_excel('x.xlsx', engine='xlsxwriter')"),
    "import name": Failing(
        "attribute_removed", "from sklearn.datasets import load_boston", ("load_boston",)
    ),
    "import name unknown": Failing(
        "missing_name", "from collections import Mapper", ("Mapper", "collections")
    ),
    "file": Failing(
        "missing_file", "import pandas as pd\npd.read_csv('/mnt/data/film.csv')", ("films.csv",)
    ),
    "file open": Failing("missing_file", "open('/home/user/data/films.csv')", ("films.csv",)),
    "file excel": Failing(
        "missing_file", "import pandas as pd\npd.read_excel('data.xlsx')", ("data.xlsx",)
    ),
    "folder": Failing(
        "missing_file", "import os\nos.listdir('/no/such/place')", ("/no/such/place",)
    ),
    "image": Failing("missing_file", "import matplotlib.pyplot as plt\nplt.imread('logo.png')"),
    "folder as file": Failing("file_access", "open('/tmp').read()", ("/tmp",)),
    "not an excel file": Failing(
        "file_format", "import pandas as pd\npd.read_excel('films.csv', engine='openpyxl')"
    ),
    "excel unknown": Failing("file_format", "import pandas as pd\npd.read_excel('films.csv')"),
    "parquet": Failing("file_format", "import pandas as pd\npd.read_parquet('films.csv')"),
    "json": Failing("file_format", "import json\njson.load(open('films.csv'))"),
    "json pandas": Failing("file_format", "import pandas as pd\npd.read_json('films.csv')"),
    "tokenizing": Failing("file_format", "import pandas as pd\npd.read_csv('ragged.csv')"),
    "empty file": Failing("empty_data", "import pandas as pd\npd.read_csv('empty.csv')"),
    "encoding": Failing(
        "encoding", "import pandas as pd\npd.read_csv('sales.csv', sep=';')", ("latin-1",)
    ),
    "encoding open": Failing(
        "encoding", "open('sales.csv', encoding='utf-8').read()", ("latin-1",)
    ),
    "encoding write": Failing("encoding", "open('/tmp/x', 'w', encoding='ascii').write('ñ')"),
    # -- values
    "date": Failing(
        "bad_value", "import pandas as pd\npd.to_datetime(['31/01/2024', '2024-02-30'])"
    ),
    "date day first": Failing(
        "bad_value", _SALES + "pd.to_datetime(sales['Fecha'], format='%m/%d/%Y')"
    ),
    "date text": Failing(
        "bad_value", "import pandas as pd\npd.to_datetime('no date')", ("no date",)
    ),
    "date bounds": Failing("bad_value", "import pandas as pd\npd.Timestamp('9999999-01-01')"),
    "strptime": Failing(
        "bad_value",
        "from datetime import datetime\ndatetime.strptime('2024/01/31', '%Y-%m-%d')",
        ("2024/01/31",),
    ),
    "comma": Failing("bad_value", _SALES + "sales['Ventas'].astype(float)", ("1.234,50",)),
    "comma to_numeric": Failing(
        "bad_value", _SALES + "pd.to_numeric(sales['Ventas'])", ("1.234,50",)
    ),
    "comma float": Failing("bad_value", "float('12,5')", ("12,5",)),
    "integer": Failing("bad_value", "int('12.0')", ("12.0",)),
    "dollar": Failing("bad_value", "float('$1,200')", ("$1,200",)),
    "frequency": Failing(
        "attribute_removed", _READ + "pd.date_range('2024', periods=3, freq='M')", ("ME",)
    ),
    "frequency hours": Failing(
        "attribute_removed", _READ + "pd.date_range('2024', periods=3, freq='H')", ("'h'",)
    ),
    "frequency unknown": Failing(
        "bad_value", _READ + "pd.date_range('2024', periods=3, freq='foo')", ("foo",)
    ),
    "missing to integer": Failing("missing_values", _READ + "films['Rating'].astype(int)"),
    "missing in model": Failing(
        "missing_values",
        _X + "from sklearn.linear_model import LinearRegression\nLinearRegression().fit(X, y)",
        ("dropna",),
    ),
    "text in model": Failing(
        "type_mismatch",
        _READ + "from sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit(films[['Title']], films['Year'])",
    ),
    "few samples": Failing(
        "too_few_rows",
        _X + "from sklearn.cluster import KMeans\nKMeans(9).fit(films[['Year']])",
    ),
    "folds": Failing(
        "too_few_rows",
        _X + "from sklearn.tree import DecisionTreeRegressor as D\n"
        "from sklearn.model_selection import cross_val_score\n"
        "cross_val_score(D(), films[['Year']], y, cv=9)",
    ),
    "no samples": Failing(
        "empty_data",
        _X + "from sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit(films[films.Year > 3000][['Year']], y[:0])",
    ),
    "maximum of nothing": Failing("empty_data", "max([])"),
    "maximum of an empty array": Failing("empty_data", "import numpy as np\nnp.array([]).max()"),
    "argmax of nothing": Failing("empty_data", _READ + "films[films.Year > 3000].Rating.idxmax()"),
    # -- types
    "concatenation": Failing("type_mismatch", "'a' + 1", ("str",)),
    "comparison": Failing("type_mismatch", "'a' < 1"),
    "sum of text": Failing("type_mismatch", "sum(['a', 'b'])"),
    "none": Failing("type_mismatch", "None + 1", ("None",)),
    "none subscript": Failing("type_mismatch", "x = [1].sort()\nx[0]", ("None",)),
    "none attribute": Failing("type_mismatch", "import re\nre.match('a', 'b').group()", ("None",)),
    "call": Failing("type_mismatch", "x = 1\nx()", ("int",)),
    "not iterable": Failing("type_mismatch", "for x in 3: pass", ("int",)),
    "unhashable": Failing("type_mismatch", "{[1]: 2}", ("list",)),
    "mean of text": Failing("type_mismatch", _READ + "films.mean()", ("numeric_only",)),
    "correlation of text": Failing("type_mismatch", _READ + "films.corr()", ("numeric_only",)),
    "mean of groups": Failing(
        "type_mismatch", _READ + "films.groupby('Year').mean()", ("numeric_only",)
    ),
    "text minus text": Failing("type_mismatch", _READ + "films['Title'] - films['Title']"),
    "text and number": Failing("type_mismatch", _SALES + "sales['Ventas'] * 1.5 + 1"),
    "date minus text": Failing(
        "type_mismatch", _READ + "pd.Timestamp('2024') - films['Release Date']"
    ),
    "compare text column": Failing("type_mismatch", _SALES + "sales[sales['Ventas'] > 100]"),
    "str accessor": Failing("type_mismatch", _READ + "films['Year'].str.upper()", (".str",)),
    "dt accessor": Failing(
        "type_mismatch", _READ + "films['Release Date'].dt.year", ("to_datetime",)
    ),
    "resample": Failing("type_mismatch", _READ + "films.resample('YE').sum()", ("to_datetime",)),
    "unexpected argument": Failing("arguments", "def f(a):\n    return a\nf(b=1)", ("'b'",)),
    "missing argument": Failing("arguments", "def f(a, b):\n    return a\nf(1)", ("'b'",)),
    "too many arguments": Failing("arguments", "def f(a):\n    return a\nf(1, 2)"),
    "unexpected keyword": Failing("arguments", _READ + "films.head(rows=3)", ("rows",)),
    "ambiguous truth": Failing(
        "ambiguous_truth", _READ + "if films['Year'] > 1998: print(1)", ("any()",)
    ),
    "ambiguous and": Failing(
        "ambiguous_truth", _READ + "films[(films.Year > 1) and (films.Year < 3)]", ("&",)
    ),
    # -- shapes
    "lengths": Failing("shape", _READ + "films['x'] = [1, 2]", ("2", "4")),
    "frame lengths": Failing("shape", "import pandas as pd\npd.DataFrame({'a': [1], 'b': [1, 2]})"),
    "broadcast": Failing("shape", "import numpy as np\nnp.ones(3) + np.ones(4)"),
    "reshape": Failing("shape", "import numpy as np\nnp.ones(5).reshape(2, 3)"),
    "matmul": Failing("shape", "import numpy as np\nnp.ones((2, 3)) @ np.ones((2, 3))"),
    "one dimension": Failing(
        "shape",
        _X + "from sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit(films['Year'], y)",
        ("[[",),
    ),
    "samples": Failing(
        "shape",
        _X + "from sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit(films[['Year']], y[:2])",
    ),
    "plot lengths": Failing("shape", "import matplotlib.pyplot as plt\nplt.plot([1, 2], [1])"),
    "unpack": Failing("shape", "a, b = [1, 2, 3]"),
    "unpack few": Failing("shape", "a, b = [1]"),
    "rename columns": Failing("shape", _READ + "films.columns = ['a']"),
    # -- positions
    "list index": Failing("index", "[1][3]"),
    "array index": Failing("index", "import numpy as np\nnp.ones(3)[5]", ("5",)),
    "iloc": Failing("index", _READ + "films.iloc[10]"),
    "pop": Failing("index", "[].pop()"),
    # -- gone
    "append": Failing("attribute_removed", _READ + "films.append({'Title': 'x'})", ("pd.concat",)),
    "applymap": Failing("attribute_removed", _READ + "films.applymap(str)", (".map",)),
    "iteritems": Failing("attribute_removed", _READ + "films.iteritems()", ("items",)),
    "ix": Failing("attribute_removed", _READ + "films.ix[0]", ("loc",)),
    "mad": Failing("attribute_removed", _READ + "films['Year'].mad()", ("abs",)),
    "fillna method": Failing(
        "attribute_removed", _READ + "films.fillna(method='ffill')", ("ffill()",)
    ),
    "bad lines": Failing(
        "attribute_removed",
        "import pandas as pd\npd.read_csv('films.csv', error_bad_lines=False)",
        ("on_bad_lines",),
    ),
    "infer dates": Failing(
        "attribute_removed",
        "import pandas as pd\npd.read_csv('films.csv', infer_datetime_format=True)",
    ),
    "week": Failing(
        "attribute_removed",
        _READ + "pd.to_datetime(films['Release Date']).dt.week",
        ("isocalendar",),
    ),
    "group axis": Failing("attribute_removed", _READ + "films.groupby(level=0, axis=1)", ("axis",)),
    "to_numeric errors": Failing(
        "attribute_removed", _READ + "pd.to_numeric(films['Title'], errors='ignore')", ("coerce",)
    ),
    "np.float": Failing("attribute_removed", "import numpy as np\nnp.float(1)", ("float",)),
    "np.bool": Failing("attribute_removed", "import numpy as np\nnp.object", ("object",)),
    "np.NaN": Failing("attribute_removed", "import numpy as np\nnp.NaN", ("np.nan",)),
    "np.product": Failing("attribute_removed", "import numpy as np\nnp.product([1])", ("np.prod",)),
    "np.trapz": Failing("attribute_removed", "import numpy as np\nnp.trapz([1])", ("trapezoid",)),
    "np.in1d": Failing("attribute_removed", "import numpy as np\nnp.in1d([1], [1])", ("np.isin",)),
    "sparse": Failing(
        "attribute_removed",
        "from sklearn.preprocessing import OneHotEncoder\nOneHotEncoder(sparse=False)",
        ("sparse_output",),
    ),
    "squared": Failing(
        "attribute_removed",
        "from sklearn.metrics import mean_squared_error\n"
        "mean_squared_error([1], [2], squared=False)",
        ("root_mean_squared_error",),
    ),
    "feature names": Failing(
        "attribute_removed",
        "from sklearn.feature_extraction.text import CountVectorizer\n"
        "CountVectorizer().fit(['aa']).get_feature_names()",
        ("get_feature_names_out",),
    ),
    "plot confusion": Failing(
        "attribute_removed",
        "from sklearn.metrics import plot_confusion_matrix",
        ("ConfusionMatrixDisplay",),
    ),
    "get_cmap": Failing(
        "attribute_removed", "import matplotlib.cm as cm\ncm.get_cmap('viridis')", ("colormaps",)
    ),
    "seaborn style": Failing(
        "attribute_removed",
        "import matplotlib.pyplot as plt\nplt.style.use('seaborn')",
        ("seaborn-v0_8",),
    ),
    "factorplot": Failing(
        "attribute_removed", "import seaborn as sns\nsns.factorplot()", ("catplot",)
    ),
    "simps": Failing("attribute_removed", "from scipy.integrate import simps", ("simpson",)),
    "collections": Failing(
        "attribute_removed", "from collections import Mapping", ("collections.abc",)
    ),
    "antialias": Failing(
        "attribute_removed", "from PIL import Image\nImage.ANTIALIAS", ("LANCZOS",)
    ),
    "unknown attribute": Failing("attribute", "import math\nmath.square(2)", ("square",)),
    "unknown method": Failing("attribute", "[1].push(2)", ("push",)),
    "unknown frame method": Failing("attribute", _READ + "films.filter_rows()", ("filter_rows",)),
    # -- the rest
    "syntax": Failing("syntax", "if True print(1)"),
    "indentation": Failing("syntax", "def f():\nprint(1)"),
    "brackets": Failing("syntax", "print((1)"),
    "name": Failing("name", "total = 1\nprint(totals)", ("totals", "total")),
    "unbound": Failing("name", "def f():\n    x += 1\nf()", ("x",)),
    "division": Failing("zero_division", "1 / 0"),
    "memory": Failing("memory", "import numpy as np\nnp.ones((10**6, 10**7))"),
    "recursion": Failing("recursion", "def f():\n    return f()\nf()"),
    "exit": Failing("exit", "import sys\nsys.exit(3)", ("3",)),
    "input": Failing("input", "input('Name? ')", ("input",)),
    "assertion": Failing("assertion", "assert 1 == 2, 'no'", ("no",)),
    "gaierror": Failing(
        "network_denied", "import urllib.request\nurllib.request.urlopen('http://no.invalid/x')"
    ),
    "requests": Failing("network_denied", "import requests\nrequests.get('https://no.invalid/x')"),
    "socket": Failing(
        "network_denied", "import socket\nsocket.create_connection(('192.0.2.1', 9), 0.1)"
    ),
    "read from the net": Failing(
        "network_denied", "import pandas as pd\npd.read_csv('https://no.invalid/x.csv')"
    ),
    "seaborn data": Failing("network_denied", "import seaborn as sns\nsns.load_dataset('tips')"),
    "folder exists": Failing("file_access", "import os\nos.mkdir('/tmp')", ("/tmp",)),
    "own error": Failing(
        "other", "class OddError(Exception): pass\nraise OddError('odd thing')", ("odd thing",)
    ),
    "overflow": Failing("bad_value", "import math\nmath.exp(1000)"),
    "square root": Failing("bad_value", "import math\nmath.sqrt(-1)"),
    "singular": Failing("bad_value", "import numpy as np\nnp.linalg.inv(np.zeros((2, 2)))"),
    "stop": Failing("index", "next(iter([]))"),
    "disk": Failing("disk_full", "open('/dev/full', 'w').write('x' * 100_000)"),
    "thread limit": Failing("processes", 'raise RuntimeError("can\'t start new thread")'),
}
