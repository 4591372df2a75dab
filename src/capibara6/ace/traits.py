"""What a request's data is like, as far as lessons care. Pure."""

from capibara6.domain.requests import DataFile, Request

_TRAITS_MAX = 12


def traits(request: Request) -> tuple[str, ...]:
    """Endings of the files and kinds of their columns: "csv", "kind:date"."""
    found = [trait for file in request.files for trait in _of_file(file)]
    return tuple(dict.fromkeys(found))[:_TRAITS_MAX]


def _of_file(file: DataFile) -> list[str]:
    stem, dot, ending = file.name.rpartition(".")
    endings = [ending.lower()] if stem and dot else []
    return [*endings, *sorted({f"kind:{column.kind}" for column in file.columns})]
