"""What is certainly wrong with a program: packages, names, keywords, files, policy."""

import ast
import sys
from typing import Any

import pytest

from capibara6.domain.programs import Finding, Program
from capibara6.inventory import Inventory
from capibara6.validation.files import missing_files
from capibara6.validation.installed import installed_findings
from capibara6.validation.policy import forbidden_uses
from capibara6.validation.validator import ProgramValidator

DOCUMENT: dict[str, Any] = {
    "format": 1,
    "python": "3.11",
    "versions": {"pandas": "3.1.1", "numpy": "2.4.6", "scikit-learn": "1.9.1"},
    "distributions": {"pandas": ["pandas"], "numpy": ["numpy"], "sklearn": ["scikit-learn"]},
    "modules": {
        "pandas": {
            "names": {
                "DataFrame": "cpandas.core.frame.DataFrame",
                "read_csv": "ffilepath_or_buffer,*,sep=,chunksize=,on_bad_lines=",
                "api": "mpandas.api",
            }
        },
        "pandas.api": {"names": {"types": "v"}},
        "numpy": {"names": {"trapezoid": "fy,x=,dx=,axis=", "array": "f?", "prod": "f*args,**kw"}},
        "sklearn": {"names": {"linear_model": "msklearn.linear_model"}},
        "sklearn.linear_model": {"names": {"Ridge": "csklearn.linear_model._ridge.Ridge"}},
        "email": {"names": {"message_from_string": "fs"}},
        "json": {"names": {"JSONEncoder": "cjson.encoder.JSONEncoder", "dumps": "fobj,*,indent="}},
    },
    "classes": {
        "pandas.core.frame.DataFrame": {
            "init": "data=,index=,columns=",
            "mro": [],
            "members": {"map": "ffunc", "drop": "flabels=,*,axis="},
            "dynamic": True,
        },
        "sklearn.linear_model._ridge.Ridge": {
            "init": "alpha=,*,solver=",
            "mro": [],
            "members": {"fit": "fX,y", "predict": "fX"},
            "dynamic": False,
        },
        "json.encoder.JSONEncoder": {
            "init": "*,indent=",
            "mro": [],
            "members": {"default": "fo"},
            "dynamic": False,
        },
    },
}
INVENTORY = Inventory(DOCUMENT)


def found(code: str) -> list[tuple[str, int, str]]:
    findings = installed_findings(ast.parse(code), INVENTORY)
    return [(one.code, one.line, one.suggestion) for one in findings]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import nltk", [("no-package", 1, "")]),
        ("from nltk.corpus import stopwords", [("no-package", 1, "")]),
        ("import numpy as np\nnp.trapz([1])", [("no-name", 2, "numpy.trapezoid")]),
        ("from numpy import trapz", [("no-name", 1, "numpy.trapezoid")]),
        (
            "import pandas as pd\nd = pd.read_csv('a', bad_lines=0)",
            [("no-keyword", 2, "on_bad_lines")],
        ),
        (
            "from sklearn.linear_model import Ridge\nm = Ridge(normalize=True)",
            [("no-keyword", 2, "")],
        ),
        (
            "from sklearn.linear_model import Ridge\nm = Ridge()\nm.fitt(1)",
            [("no-name", 3, "sklearn.linear_model.Ridge.fit")],
        ),
        (
            "import pandas as pd\nd = pd.read_csv('a')\nd.applymap(str)",
            [("no-name", 3, "pandas.DataFrame.map")],
        ),
        ("import pandas as pd\nd = pd.DataFrame()\nd.append(1)", [("no-name", 3, "")]),
    ],
)
def test_what_the_packages_do_not_have_is_found(
    code: str, expected: list[tuple[str, int, str]]
) -> None:
    assert found(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        "import json, os.path\njson.dumps({}, indent=1)",
        "import email.mime.text\nemail.mime.text.MIMEText('a')",
        "from email.mime.text import MIMEText",
        "import json\nclass E(json.JSONEncoder):\n    def default(self, o):\n"
        "        return json.JSONEncoder.default(self, o)",
        "import numpy as np\nnp.array([1], anything=1)\nnp.prod(1, 2, where=3)",
        "import numpy as np\nnp.trapezoid([1], **{'none': 1})",
        "try:\n    import nltk\nexcept ImportError:\n    nltk = None",
        "import numpy as np\nif hasattr(np, 'trapz'):\n    f = np.trapz",
        "import numpy as np\nf = np.trapz if np.__version__ < '2' else np.trapezoid",
        "import contextlib as c, numpy as np\nwith c.suppress(AttributeError):\n    np.trapz([1])",
        "import numpy as np\nnp = object()\nnp.trapz",
        "import pandas as pd\nd = pd.read_csv('a')\nd = d.to_numpy()\nd.trapz()",
        "import pandas as pd\ndef f(d):\n    return d.applymap(str)",
        "import pandas as pd\nd = pd.read_csv('a', chunksize=5)\nd.get_chunk()",
        "import pandas as pd\nd = pd.DataFrame()\nd.applymap = print\nd.applymap(1)",
        "import pandas as pd\nx = pd.DataFrame().map(str).reshape(3)",
        "import pandas as pd\nd = pd.DataFrame()\ny = d.map(str).reshape(3)",
        "import antigravity",
    ],
)
def test_what_may_be_right_is_left_alone(code: str) -> None:
    assert found(code) == []


def files_of(code: str, *known: str) -> list[str]:
    return [one.suggestion or "-" for one in missing_files(ast.parse(code), code, known)]


@pytest.mark.parametrize(
    ("code", "known", "expected"),
    [
        ("import pandas as pd\npd.read_csv('sales.csv')", (), ["-"]),
        ("import pandas as pd\npd.read_csv('sale.csv')", ("sales.csv",), ["sales.csv"]),
        ("open('/home/user/a.txt').read()", ("b.txt",), ["b.txt"]),
        ("def main():\n    open('a.txt')\nmain()", (), ["-"]),
        ("import numpy as np\nnp.loadtxt(fname='a.txt')", (), ["-"]),
    ],
)
def test_files_that_nobody_brings_are_found(
    code: str, known: tuple[str, ...], expected: list[str]
) -> None:
    assert files_of(code, *known) == expected


@pytest.mark.parametrize(
    "code",
    [
        "import pandas as pd\npd.read_csv('sales.csv')",
        "import pandas as pd\npd.read_csv('./sales.csv')",
        "import pandas as pd\npd.read_csv('sales.csv').query('Total > 1').squeeze('columns')",
        "open('/home/user/sales.csv')",
        "open('/etc/hostname')",
        "open('new.txt', 'w')",
        "open(name)",
        "import pandas as pd\npd.read_csv('https://example.org/a.csv')",
        "import pandas as pd\npd.DataFrame().to_csv('a.csv')\npd.read_csv('a.csv')",
        "import subprocess, pandas as pd\nsubprocess.run(['make'])\npd.read_csv('a.csv')",
        "%run make.py\nopen('a.csv')",
        "def helper():\n    return open('a.csv')",
        "try:\n    open('a.csv')\nexcept FileNotFoundError:\n    pass",
        "import os\nif os.path.exists('a.csv'):\n    open('a.csv')",
    ],
)
def test_files_that_may_be_there_are_left_alone(code: str) -> None:
    plain = code.replace("%run make.py", "pass")
    assert missing_files(ast.parse(plain), code, ["/home/user/sales.csv"]) == []


def test_what_the_operator_forbids_is_found_by_any_name() -> None:
    code = "import subprocess as s\nfrom os import system\nimport os\ns.run(1)\nos.getcwd()\n"
    findings = forbidden_uses(ast.parse(code), ["subprocess", "os.system"])
    assert [(one.line, one.code) for one in findings] == [
        (1, "forbidden"),
        (2, "forbidden"),
        (4, "forbidden"),
    ]
    assert forbidden_uses(ast.parse(code), []) == []


async def _inventory() -> Inventory:
    return INVENTORY


async def test_all_findings_come_together_in_order() -> None:
    python = (sys.version_info.major, sys.version_info.minor)
    validator = ProgramValidator(python, inventory=_inventory, forbidden=("os.system",))
    code = "import os\nimport numpy as np\nprint(nam)\nnp.trapz([1])\nos.system('x')\n"
    findings = await validator.validate(Program(code))
    assert [(one.line, one.code) for one in findings] == [
        (3, "F821"),
        (4, "no-name"),
        (5, "forbidden"),
    ]
    assert isinstance(findings[0], Finding)
    installing = "%pip install nltk\nimport nltk\n"
    assert await validator.validate(Program(installing)) == ()
    broken = "import nltk\nprint(("
    assert [one.code for one in await validator.validate(Program(broken))] == ["E999"]


async def test_data_files_reach_the_check() -> None:
    code = "import pandas as pd\npd.read_csv('a.csv')\n"
    validator = ProgramValidator(inventory=_inventory)
    assert await validator.validate(Program(code), ("/home/user/a.csv",)) == ()
    (finding,) = await validator.validate(Program(code), ("/home/user/b.csv",))
    assert finding.message == "there is no file `a.csv`; there is `b.csv`"
