"""Every form in which a value is shown: images, tables, markup, plots, and values of one's own."""

import base64
import io
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer


@pytest.fixture(scope="module")
def one(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    with Sandbox.create(timeout=300, **sandbox_server.sdk) as sandbox:
        yield sandbox


def shown(sandbox: Sandbox, code: str) -> list[Any]:
    execution = sandbox.run_code(code)
    assert execution.error is None, execution.error
    return execution.results


def size_of(png: str) -> tuple[int, int]:
    raw = base64.b64decode(png, validate=True)
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", raw[16:24])
    return width, height


@pytest.mark.parametrize(
    "how", ["image", "display(image)", "image.show()", "image.save('/tmp/out.png')"]
)
def test_images_of_pillow(one: Sandbox, how: str) -> None:
    code = f"from PIL import Image\nimage = Image.new('RGB', (30, 20), (255, 0, 0))\n{how}"
    (result,) = shown(one, code)
    assert size_of(result.png) == (30, 20)


def test_an_image_saved_into_memory_is_not_shown(one: Sandbox) -> None:
    code = "import io\nfrom PIL import Image\nImage.new('L', (2, 2)).save(io.BytesIO(), 'png')"
    assert shown(one, code) == []


def test_images_of_ipython(one: Sandbox) -> None:
    code = """
import io
from IPython.display import Image as Shown, SVG
from PIL import Image
held = io.BytesIO()
Image.new('RGB', (8, 4)).save(held, 'jpeg')
display(Shown(held.getvalue(), format='jpeg'))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9"/>'))
"""
    jpeg, svg = shown(one, code)
    raw = base64.b64decode(jpeg.jpeg)
    assert io.BytesIO(raw).read(3) == b"\xff\xd8\xff"
    assert 'width="9"' in svg.svg


def test_a_plot_of_plotly_comes_as_plotly_shows_it(one: Sandbox) -> None:
    code = "import plotly.express as px\npx.line(x=[1, 2], y=[3, 4])"
    (result,) = shown(one, code)
    plot = result.extra["application/vnd.plotly.v1+json"]
    assert plot["data"][0]["type"] == "scatter"
    assert plot["layout"]["xaxis"]["title"]["text"] == "x"
    assert "plotly" in result.html.lower()


def test_a_plot_of_seaborn(one: Sandbox) -> None:
    code = (
        "import seaborn as sns, matplotlib.pyplot as plt\nsns.heatmap([[1, 2], [3, 4]])\nplt.show()"
    )
    result = next(result for result in shown(one, code) if result.png)
    assert min(size_of(result.png)) > 100


def test_tables(one: Sandbox) -> None:
    code = """
import pandas as pd
pd.DataFrame({'n': [1, 2], 'x': [0.5, None], 't': ['a', 'ñ'],
              'd': pd.to_datetime(['2026-01-01', '2026-01-02']),
              'c': pd.Categorical(['u', 'v']), 'b': [True, False]})
"""
    (table,) = shown(one, code)
    assert "<table" in table.html
    assert table.data == {
        "n": [1, 2],
        "x": [0.5, None],
        "t": ["a", "ñ"],
        "d": ["2026-01-01T00:00:00", "2026-01-02T00:00:00"],
        "c": ["u", "v"],
        "b": [True, False],
    }
    assert table.is_main_result
    assert "2026-01-02" in table.text


def test_an_empty_table_and_a_series(one: Sandbox) -> None:
    empty, series = shown(
        one, "import pandas as pd\ndisplay(pd.DataFrame({'a': []}))\npd.Series([7])"
    )
    assert empty.data == {"a": []}
    assert (series.data, series.html) == (None, None)
    assert "7" in series.text


@pytest.mark.parametrize(
    ("code", "field", "expected"),
    [
        ("from IPython.display import HTML\nHTML('<b>x</b>')", "html", "<b>x</b>"),
        ("from IPython.display import Markdown\nMarkdown('# x')", "markdown", "# x"),
        ("from IPython.display import Latex\nLatex('$x^2$')", "latex", "$x^2$"),
        ("from IPython.display import JSON\nJSON({'a': [1]})", "json", {"a": [1]}),
        ("from IPython.display import Javascript\nJavascript('1')", "javascript", "1"),
        ("import sympy\nsympy.Symbol('x') ** 2", "latex", "$\\displaystyle x^{2}$"),
        ("{'a': [1, 2.5, None, True]}", "json", {"a": [1, 2.5, None, True]}),
        ("[1, 'two']", "json", [1, "two"]),
        ("'text'", "text", "text"),
    ],
)
def test_forms(one: Sandbox, code: str, field: str, expected: object) -> None:
    (result,) = shown(one, code)
    assert getattr(result, field) == expected
    assert field in result.formats()


def test_a_form_of_ones_own_comes_as_extra(one: Sandbox) -> None:
    code = "display({'application/x-mine': {'a': 1}, 'text/plain': 'mine'}, raw=True)"
    (result,) = shown(one, code)
    assert (result.text, result.extra) == ("mine", {"application/x-mine": {"a": 1}})
    assert not result.is_main_result


def test_a_class_chooses_its_forms(one: Sandbox) -> None:
    code = """
class Mine:
    def _repr_html_(self): return '<i>mine</i>'
    def _repr_markdown_(self): return '*mine*'
    def __repr__(self): return 'mine'
Mine()
"""
    (result,) = shown(one, code)
    assert (result.html, result.markdown, result.text) == ("<i>mine</i>", "*mine*", "mine")


def test_pdf(one: Sandbox) -> None:
    code = "display({'application/pdf': b'%PDF-1.4'}, raw=True)"
    (result,) = shown(one, code)
    assert base64.b64decode(result.pdf) == b"%PDF-1.4"


def test_only_the_last_value_is_the_main_result(one: Sandbox) -> None:
    results = shown(one, "display(1)\ndisplay(2)\n3")
    assert [(result.text, result.is_main_result) for result in results] == [
        ("1", False),
        ("2", False),
        ("3", True),
    ]
