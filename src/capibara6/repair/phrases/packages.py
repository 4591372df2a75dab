"""Words for modules that are not there, and for what newer versions no longer have."""

from typing import Final

PACKAGES: Final = {
    "missing_module": {
        "en": (
            "The module {module} is not installed.",
            "Nothing can be installed: use {replacement}.",
        ),
        "es": (
            "El módulo {module} no está instalado.",
            "No se puede instalar nada: usa {replacement}.",
        ),
    },
    "missing_name": {
        "en": (
            "{owner} has no {attribute} to import.",
            "Check the name and the module it lives in.",
        ),
        "es": (
            "{owner} no tiene {attribute} que importar.",
            "Revisa el nombre y el módulo en el que está.",
        ),
    },
    "attribute_removed": {
        "en": (
            "{attribute} no longer exists in the installed version.",
            "Use {replacement} instead.",
        ),
        "es": (
            "{attribute} ya no existe en la versión instalada.",
            "Usa {replacement} en su lugar.",
        ),
    },
    "absent": {
        "en": ("Before the run it was found that {message}.", "Use what is there.{meant}"),
        "es": ("Antes de ejecutarlo se halló: {message}.", "Usa lo que hay.{meant}"),
    },
    "gone": {
        "en": (
            "{attribute} was removed from the installed version.",
            "Do without it; use the data files given.",
        ),
        "es": (
            "{attribute} se eliminó de la versión instalada.",
            "Prescinde de ello; usa los archivos de datos dados.",
        ),
    },
    "style": {
        "en": (
            "matplotlib has no style {attribute} any more.",
            "Use seaborn-v0_8, or sns.set_theme().",
        ),
        "es": (
            "matplotlib ya no tiene el estilo {attribute}.",
            "Usa seaborn-v0_8, o sns.set_theme().",
        ),
    },
    "errors_ignore": {
        "en": (
            "errors='ignore' no longer exists in the installed version.",
            "Use errors='coerce'.",
        ),
        "es": ("errors='ignore' ya no existe en la versión instalada.", "Usa errors='coerce'."),
    },
}
