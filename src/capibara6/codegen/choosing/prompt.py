"""What a model is told before it chooses. Pure.

The unchanging part stands first, so that a server which keeps prompts need not read it again.
"""

from collections.abc import Sequence
from typing import Final

from capibara6.codegen.choosing.schema import COLUMNS_MAX
from capibara6.codegen.prompts import Message
from capibara6.domain.requests import Column

_QUESTION_CHARS_MAX: Final = 1_000
_NAME_CHARS_MAX: Final = 80
_TASK: Final = """\
Choose the recipe that answers a question about a table, with its columns and parameters. Answer in JSON.
profile: what the table holds, its columns, its gaps
clean: tidy the table, drop duplicates and empty rows
describe: one statistic of columns, or how many rows (COLUMNS empty, STATISTIC count)
group: a value for each group; VALUE null counts rows; TOP groups are shown, ASCENDING for the lowest
correlate: two or more columns of numbers, or TARGET with all others
distribution: histogram of one column
time_series: change over time, by day, week, month, quarter or year; FORECAST periods ahead
compare: whether a number differs between groups
outliers: strange or extreme values
regression: predict a number from others
classification: predict a class or yes/no from others
clustering: find groups of similar rows
none: nothing of this answers it

Columns: city (text), price (number), rooms (number), sold (date), garden (boolean)
Question: escribe una carta al alcalde
{"choice": {"recipe": "none"}}
Question: average price by city
{"choice": {"recipe": "group", "GROUP_BY": ["city"], "VALUE": "price", "AGGREGATE": "mean", "TOP": null, "ASCENDING": false}}
Question: ¿cuántas casas se venden cada mes?
{"choice": {"recipe": "time_series", "DATE": "sold", "VALUE": null, "AGGREGATE": "sum", "FREQUENCY": "M", "FORECAST": 0}}
Question: precio máximo
{"choice": {"recipe": "describe", "COLUMNS": ["price"], "STATISTIC": "max"}}
Question: do houses with a garden cost more?
{"choice": {"recipe": "compare", "VALUE": "price", "GROUP": "garden"}}"""


def choice_messages(question: str, columns: Sequence[Column]) -> list[Message]:
    """Task and examples, then the table's columns and the question."""
    named = ", ".join(f"{_line(c.name)} ({c.kind})" for c in columns[:COLUMNS_MAX])
    asked = _line(question, _QUESTION_CHARS_MAX)
    return [
        {"role": "system", "content": _TASK},
        {"role": "user", "content": f"Columns: {named}\nQuestion: {asked}"},
    ]


def _line(text: str, chars_max: int = _NAME_CHARS_MAX) -> str:
    return " ".join(text.split())[:chars_max]
