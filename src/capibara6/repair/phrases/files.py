"""Words for files that cannot be found, opened or read."""

from typing import Final

FILES: Final = {
    "missing_file": {
        "en": ("There is no file {file}.", "The files are: {files}."),
        "es": ("No existe el archivo {file}.", "Los archivos son: {files}."),
    },
    "file_access": {
        "en": (
            "A place in the file system cannot be used so: {message}.",
            "Write files under /home/user.",
        ),
        "es": (
            "Un lugar del sistema de archivos no se puede usar así: {message}.",
            "Escribe los archivos en /home/user.",
        ),
    },
    "file_format": {
        "en": (
            "A file is not in the format it is read as: {message}.",
            "Look at its first lines and choose reader and separator (sep=';', sep='\\t', "
            "on_bad_lines='skip'). Files: {files}.",
        ),
        "es": (
            "Un archivo no tiene el formato con el que se lee: {message}.",
            "Mira sus primeras líneas y elige el lector y el separador (sep=';', sep='\\t', "
            "on_bad_lines='skip'). Archivos: {files}.",
        ),
    },
    "encoding": {
        "en": (
            "A file is not written in {codec}.",
            "Read it with encoding='latin-1' (or 'cp1252', 'utf-16').",
        ),
        "es": (
            "Un archivo no está escrito en {codec}.",
            "Léelo con encoding='latin-1' (o 'cp1252', 'utf-16').",
        ),
    },
    "encoding_write": {
        "en": (
            "A text holds characters that the encoding lacks: {message}.",
            "Use encoding='utf-8'.",
        ),
        "es": (
            "Un texto tiene caracteres que la codificación no admite: {message}.",
            "Usa encoding='utf-8'.",
        ),
    },
}
