"""Words for facts about the installed packages."""

from typing import Final

FACTS: Final = {
    "en": {
        "gone": "Installed is {package}: `{owner}` has no `{name}`.",
        "close": " It has {names}.",
        "keyword": "Installed is {package}: `{function}` takes no `{keyword}`; it takes "
        "`{signature}`.",
        "no_package": "The package `{module}` is not installed.",
    },
    "es": {
        "gone": "Está instalado {package}: `{owner}` no tiene `{name}`.",
        "close": " Tiene {names}.",
        "keyword": "Está instalado {package}: `{function}` no admite `{keyword}`; admite "
        "`{signature}`.",
        "no_package": "El paquete `{module}` no está instalado.",
    },
}
