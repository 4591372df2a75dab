"""The program that takes an inventory. It runs inside a sandbox, never on the host.

It imports the public modules of the installed packages and writes their names and signatures as
compressed JSON, in the form that `inventory` reads. Standard library only.
"""

import gzip
import importlib
import inspect
import json
import pkgutil
import sys
import time
import types
import warnings
from importlib import metadata

OUTPUT = "inventory.json.gz"
SECONDS_MAX = 240.0
# Of a package of this list all public submodules; of others the top alone.
WALKED = "numpy pandas scipy sklearn matplotlib seaborn statsmodels".split()
TOPS = (
    "plotly pyarrow lxml xlrd psutil dateutil mpmath IPython sympy openpyxl joblib patsy tabulate "
    "PIL requests bs4"
).split()
FURTHER = (
    "plotly.express plotly.graph_objects plotly.subplots plotly.io plotly.figure_factory "
    "pyarrow.parquet pyarrow.csv pyarrow.compute lxml.etree lxml.html dateutil.parser "
    "dateutil.relativedelta IPython.display PIL.Image PIL.ImageDraw PIL.ImageFilter PIL.ImageFont "
    "PIL.ImageOps PIL.ImageEnhance PIL.ImageColor PIL.ImageChops PIL.ImageStat sympy.abc "
    "sympy.solvers sympy.stats sympy.plotting sympy.parsing.sympy_parser openpyxl.styles "
    "openpyxl.utils openpyxl.chart requests.exceptions mpl_toolkits.mplot3d "
    "mpl_toolkits.axes_grid1 urllib urllib.error xml xml.dom xml.dom.minidom email http "
    "http.client concurrent multiprocessing secrets signal socket types weakref"
).split()
STDLIB = (
    "abc argparse ast asyncio base64 bisect builtins calendar cmath collections collections.abc "
    "concurrent.futures configparser contextlib copy csv dataclasses datetime decimal difflib enum "
    "fractions functools glob gzip hashlib heapq html inspect io itertools json locale logging "
    "math operator os os.path pathlib pickle platform pprint queue random re shutil sqlite3 "
    "statistics string struct subprocess sys tempfile textwrap threading time traceback "
    "typing unicodedata unittest urllib.parse urllib.request uuid warnings xml.etree.ElementTree "
    "zipfile zlib zoneinfo"
).split()
SKIPPED = {"tests", "testing", "conftest", "setup", "backends", "benchmarks", "datasets", "f2py",
           "distutils", "sphinxext", "examples", "interactive", "sandbox", "externals", "compat",
           "core"}  # fmt: skip
KEPT = {"sklearn.datasets", "statsmodels.datasets", "numpy.testing", "pandas.testing"}
MEMBERS_NOT_OF = ("plotly.", "builtins.")  # thousands of generated classes; what Python itself has


def parameters(value):
    """Names in order: `x`, `x=` with a default, `/`, `*`, `*args`, `**kwargs`; None: not known."""
    try:
        found = inspect.signature(value).parameters.values()
    except Exception:  # noqa: BLE001 - any object may refuse
        return None
    told, last = [], None
    for one in found:
        if last is one.POSITIONAL_ONLY and one.kind is not one.POSITIONAL_ONLY:
            told.append("/")
        if one.kind is one.KEYWORD_ONLY and last not in (one.KEYWORD_ONLY, one.VAR_POSITIONAL):
            told.append("*")
        sign = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        told.append(sign + one.name + ("=" if one.default is not one.empty else ""))
        last = one.kind
    if last is inspect.Parameter.POSITIONAL_ONLY:
        told.append("/")
    return ",".join(told)


def identity(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def entry(value, classes):
    """How a name is kept: "m" module, "c<class>", "f<parameters>", "f?" not known, "v" value."""
    if isinstance(value, types.ModuleType):
        return f"m{value.__name__}"
    if isinstance(value, type):
        keep_class(value, classes)
        return f"c{identity(value)}"
    if callable(value):
        told = parameters(value)
        return "f?" if told is None else f"f{told}"
    return "v"


def keep_class(kind, classes):
    name = identity(kind)
    if name in classes or kind in (object, type):
        return
    classes[name] = own = {"init": None, "mro": [], "members": {}, "dynamic": False}
    own["init"] = parameters(kind)
    own["dynamic"] = hasattr(kind, "__getattr__") or "__getattribute__" in vars(kind)
    if name.startswith(MEMBERS_NOT_OF):
        own["dynamic"] = True
        return
    for base in kind.__mro__[1:]:
        if base is not object:
            own["mro"].append(identity(base))
            keep_class(base, classes)
    for member, value in list(vars(kind).items()):
        if member.startswith("_") and member not in ("__call__",):
            continue
        inner = getattr(value, "__func__", value)
        if isinstance(inner, types.FunctionType) or inspect.ismethoddescriptor(inner):
            told = parameters(getattr(kind, member, inner) if inner is not value else inner)
            if told is not None and inner is value:
                told = told.partition(",")[2] if told.split(",")[0] in ("self", "/") else told
            own["members"][member] = "f?" if told is None else f"f{told}"
        elif isinstance(value, type):
            own["members"][member] = f"c{identity(value)}"
        else:
            own["members"][member] = "v"


def keep_module(name, found, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(name)
        names = {}
        for one in sorted(set(dir(module)) | set(getattr(module, "__all__", ()))):
            if one.startswith("_") or not isinstance(one, str):
                continue
            try:
                names[one] = entry(getattr(module, one), classes)
            except Exception:  # noqa: BLE001 - a name that only says it is there
                continue
        lazy = "__getattr__" in vars(module)
        found[name] = {"names": names, "dynamic": lazy}
    return module


def walked(name):
    """A package and its public submodules."""
    yield name
    package = importlib.import_module(name)
    for info in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{name}."):
        last = info.name.rpartition(".")[2]
        if last.startswith("_") or (last in SKIPPED and info.name not in KEPT):
            continue
        if info.ispkg:
            yield from guarded(info.name)
        else:
            yield info.name


def guarded(name):
    try:
        yield from walked(name)
    except BaseException:  # noqa: BLE001 - what cannot be imported is not offered
        return


def main():
    started, found, classes, failed = time.monotonic(), {}, {}, []
    names = [*STDLIB, *TOPS, *FURTHER]
    for top in WALKED:
        names.extend(guarded(top))
    for name in names:
        if time.monotonic() - started > SECONDS_MAX:
            failed.append(name)
            continue
        try:
            keep_module(name, found, classes)
        except BaseException:  # noqa: BLE001 - some modules end the process when imported
            failed.append(name)
    versions = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    owners = {top: sorted(set(owner)) for top, owner in metadata.packages_distributions().items()}
    document = {
        "format": 1,
        "python": sys.version.split()[0],
        "versions": versions,
        "distributions": owners,
        "modules": found,
        "classes": classes,
        "failed": failed,
    }
    with gzip.open(OUTPUT, "wt", encoding="utf-8", compresslevel=6) as file:
        json.dump(document, file, separators=(",", ":"))
    print(json.dumps({"modules": len(found), "classes": len(classes), "failed": failed}))


if __name__ == "__main__":
    main()
