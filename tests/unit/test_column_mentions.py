import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.domain.requests import Column
from capibara6.language.cells import find_values
from capibara6.language.mentions import find_mentions
from capibara6.language.words import fold, stem


def columns(**kinds: str) -> list[Column]:
    return [Column(name.replace("__", " "), kind, 9) for name, kind in kinds.items()]


FILMS = columns(
    Title="text", US__Gross="number", Worldwide__Gross="number", Production__Budget="number",
    Release__Date="date", MPAA__Rating="text", Running__Time__min="number", Major__Genre="text",
    Director="text", IMDB__Rating="number",
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("average gross by genre", ["Worldwide Gross", "Major Genre"]),
        ("Recaudación media por género", ["Worldwide Gross", "Major Genre"]),
        ("¿Cuál es el PRESUPUESTO medio?", ["Production Budget"]),
        ("us gross of each director", ["US Gross", "Director"]),
        ("notas de IMDB", ["IMDB Rating"]),
        ("duracion y presupuestos", ["Running Time min", "Production Budget"]),
        ("títulos por fecha de estreno", ["Title", "Release Date"]),
        ("average budjet", []),
        ("average bugdet of the productions", ["Production Budget"]),
        ("what is the data about", []),
        ("how long is it", []),
    ],
)
def test_columns_are_found_across_languages(question: str, expected: list[str]) -> None:
    found = [mention.columns[0].name for mention in find_mentions(question, FILMS)]
    assert found == expected


@pytest.mark.parametrize(
    "name", ["precio_unitario", "PrecioUnitario", "Precio Unitario", "PRECIO-UNITARIO"]
)
def test_naming_styles(name: str) -> None:
    [mention] = find_mentions("media del precio unitario", [Column(name, "number", 5)])
    assert mention.columns[0].name == name


def test_misspelt_names_are_found() -> None:
    [mention] = find_mentions("average temperatuer", [Column("temperature", "number", 5)])
    assert mention.columns[0].name == "temperature"


def test_alternatives_are_kept_and_kinds_preferred() -> None:
    [mention] = find_mentions("average rating", FILMS)
    assert {column.name for column in mention.columns} == {"MPAA Rating", "IMDB Rating"}
    assert mention.best("number").name == "IMDB Rating"
    assert mention.best("text").name == "MPAA Rating"


def test_longer_matches_win() -> None:
    strikes = columns(Phase__of__flight="text", Flight__Date="date")
    [mention] = find_mentions("strikes by phase of flight", strikes)
    assert [column.name for column in mention.columns] == ["Phase of flight"]


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=8, unique=True))
def test_no_text_breaks_the_search(question: str, names: list[str]) -> None:
    for mention in find_mentions(question, [Column(name, "text", 2) for name in names]):
        assert 0 <= mention.start < mention.end <= len(question)


@given(st.text(max_size=60))
def test_folding_keeps_positions(text: str) -> None:
    assert len(fold(text)) == len(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("países", "país"), ("categories", "category"), ("años", "año"), ("precios", "precio"),
     ("cities", "city"), ("meses", "mes"), ("duraciones", "duración")],
)  # fmt: skip
def test_plurals_share_their_stem(one: str, other: str) -> None:
    assert stem(fold(one)) == stem(fold(other))


def test_values_are_found_by_spelling_plural_and_meaning() -> None:
    values = {"Time": ["Day", "Night"], "Genre": ["Comedy", "Black Comedy"], "State": ["Texas"]}

    def found(question: str) -> list[str]:
        return [mention.value for mention in find_values(question, values)]

    assert found("at night in Texas") == ["Night", "Texas"]
    assert found("de día y de noche") == ["Day", "Night"]
    assert found("comedies and black comedies") == ["Comedy", "Black Comedy"]
