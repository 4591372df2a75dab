"""What a question says about its data: which file, which columns, which values."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capibara6.codegen.profiling import Layout, Table, file_layout, sample_table
from capibara6.codegen.recipes import phrases
from capibara6.domain.requests import Column, DataFile, Request
from capibara6.language.cells import ValueMention, find_values
from capibara6.language.mentions import Mention, find_mentions
from capibara6.language.synonyms import concepts
from capibara6.language.words import fold, name_words, stem, words

WORDS = ("text", "boolean")  # kinds of columns that make groups
YEAR_MIN, YEAR_MAX = 1500, 2200
CATEGORIES_MAX = 50

_IDENTIFIERS = frozenset(
    ("id", "identifier", "identificador", "codigo", "code", "index", "unnamed")
)
# What is averaged rather than added up, unless the question says otherwise.
_AVERAGED_WORDS = (
    "age rate percent speed rating score grade temperature price expectancy fertility duration "
    "height weight mortality year latitude longitude position discount size length width depth "
    "wind salary humidity satisfaction experience"
)
_AVERAGED = frozenset(_AVERAGED_WORDS.split())
_BY = frozenset(("by", "per", "each", "every", "cada", "por", "segun", "across", "within", "among"))
_WHICH = frozenset(("which", "what", "que", "cual", "cuales"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the file it is about."""

    question: str
    language: str
    file: DataFile
    layout: Layout
    mentions: tuple[Mention, ...]
    values: tuple[ValueMention, ...]
    sampled_rows: int

    @property
    def text(self) -> str:
        """The question, folded."""
        return fold(self.question)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns of the file."""
        return self.file.columns

    def measures(self) -> list[Column]:
        """Columns of numbers that the question names, in its order."""
        named = (m.best("number") for m in self.mentions if not self._is_category(m))
        return _unique([c for c in named if c.kind == "number" and not is_identifier(c)])

    def categories(self) -> list[Column]:
        """Columns of words (or booleans) that the question names, in its order."""
        return _unique([m.best(*WORDS) for m in self.mentions if self._is_category(m)])

    def _is_category(self, mention: Mention) -> bool:
        """A stretch that can mean a number is one, unless the question groups by it."""
        if mention.best(*WORDS).kind not in WORDS:
            return False
        return mention.best("number").kind != "number" or self.after_by(mention)

    def dates(self) -> list[Column]:
        """Columns of dates or years that the question names, then the others of the file."""
        named = [mention.best("date") for mention in self.mentions]
        found = [c for c in [*named, *self.columns] if c.kind == "date" or is_year(c)]
        return sorted(
            _unique(found), key=lambda column: column.kind != "date" and column not in named
        )

    def after_by(self, mention: Mention) -> bool:
        """Whether the mention follows "by", "per", "por", "cada" …: a grouping."""
        before = words(self.question[: mention.start])[-2:]
        return any(word.text in _BY for word in before)

    def after_which(self, mention: Mention) -> bool:
        """Whether the mention follows "which" or "qué": the thing that is looked for."""
        before = words(self.question[: mention.start])
        return bool(before) and before[-1].text in _WHICH

    def alternatives(self, parameters: Mapping[str, object]) -> list[str]:
        """Columns of the same kind that a stretch of the question could mean as well."""
        chosen = {n for v in parameters.values() for n in (v if isinstance(v, list) else [v])}
        found: list[str] = []
        for mention in self.mentions:
            kinds = {column.kind for column in mention.columns if column.name in chosen}
            found += [c.name for c in mention.columns if c.kind in kinds and c.name not in chosen]
        return list(dict.fromkeys(found))[:5]

    def label_column(self) -> Column | None:
        """The column that names the rows: words, nearly all different."""
        texts = [c for c in self.columns if c.kind == "text"]
        best = max(texts, key=lambda column: column.distinct, default=None)
        return best if best and best.distinct > 0.5 * self.sampled_rows else None

    def main_measure(self) -> Column | None:
        """The column of numbers that is most likely meant when none is named."""
        candidates = [c for c in self.columns if c.kind == "number" and not is_year(c)
                      and not is_identifier(c) and c.distinct > 1]  # fmt: skip
        return max(candidates, key=lambda column: column.distinct, default=None)


def read_question(request: Request, language: str) -> Asked | None:
    """Look at the request's files and find the one it is about; None without a readable table.

    Raises:
        DataFileError: a file cannot be read.
    """
    tables = [
        (file, layout) for file in request.files
        if (layout := file_layout(file.name, file.content)) is not None
    ]  # fmt: skip
    if not tables:
        return None
    file, layout = max(tables, key=lambda pair: _fit(request.question, pair[0]))
    mentions = _without_periods(request.question, find_mentions(request.question, file.columns))
    table = sample_table(file.name, file.content) if file.columns else None
    values = _values(request.question, file, table, mentions)
    rows = len(table.rows) if table else 0
    return Asked(request.question, language, file, layout, mentions, values, rows)


def _fit(question: str, file: DataFile) -> tuple[bool, int]:
    """Prefer the file that the question names, then the one whose columns it names."""
    stem_of_file = fold(file.name.rsplit(".", 1)[0])
    named = stem_of_file in fold(question) or fold(file.name) in fold(question)
    return named, len(find_mentions(question, file.columns))


def _without_periods(question: str, mentions: Sequence[Mention]) -> tuple[Mention, ...]:
    """Drop what only shares a word with a period: "per year" names no years of experience."""
    periods = phrases.periods(fold(question))
    return tuple(
        mention
        for mention in mentions
        if mention.columns[0].kind != "number"
        or is_year(mention.columns[0])
        or not any(start <= mention.start and mention.end <= end for start, end in periods)
    )


def _values(
    question: str, file: DataFile, table: Table | None, mentions: Sequence[Mention]
) -> tuple[ValueMention, ...]:
    if table is None:
        return ()
    different = {
        column.name: list(dict.fromkeys(cell.strip() for cell in table.values(index)))
        for index, column in enumerate(file.columns)
        if column.kind in ("text", "boolean")
    }
    return find_values(question, different, [(m.start, m.end) for m in mentions])


def is_year(column: Column) -> bool:
    """Whether a column of numbers holds years, by its name and its examples."""
    named = any("year" in concepts(stem(word)) for word in name_words(column.name))
    return (
        named
        and column.kind == "number"
        and all(e.isdigit() and YEAR_MIN <= int(e) <= YEAR_MAX for e in column.examples)
    )


def is_identifier(column: Column) -> bool:
    """Whether a column numbers its rows rather than measuring something."""
    return bool(_IDENTIFIERS & set(name_words(column.name))) or _counts_up(column)


def _counts_up(column: Column) -> bool:
    """Whether the rows are numbered: 5000, 5001, 5002."""
    first = [int(e) for e in column.examples if e.isascii() and e.isdigit()]
    rising = len(first) > 2 and all(b - a == 1 for a, b in itertools.pairwise(first))
    return rising and column.distinct > CATEGORIES_MAX and not is_year(column)


def default_aggregate(column: Column) -> str:
    """Add up amounts; average rates, ratings and sizes."""
    meanings = set().union(*(concepts(stem(word)) for word in name_words(column.name)))
    return "mean" if meanings & _AVERAGED and "amount" not in meanings else "sum"


def _unique(columns: Sequence[Column]) -> list[Column]:
    return list({column.name: column for column in columns}.values())
