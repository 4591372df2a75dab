"""Words for mistakes of a program that have nothing to do with its data."""

from typing import Final

PROGRAMS: Final = {
    "syntax": {
        "en": (
            "The program is not valid {language}: {message}.",
            "Mend that line; write code only, no prose.",
        ),
        "es": (
            "El programa no es {language} válido: {message}.",
            "Corrige esa línea; escribe solo código, sin prosa.",
        ),
    },
    "name": {
        "en": ("The name {name} is not defined.", "Define or import it before it is used.{meant}"),
        "es": (
            "El nombre {name} no está definido.",
            "Defínelo o impórtalo antes de usarlo.{meant}",
        ),
    },
    "unbound": {
        "en": (
            "The variable {name} is used in a function before it has a value there.",
            "Pass it as an argument, or declare it with `global`.",
        ),
        "es": (
            "La variable {name} se usa en una función antes de tener valor en ella.",
            "Pásala como argumento, o declárala con `global`.",
        ),
    },
    "arguments": {
        "en": (
            "A function is called with arguments it does not take: {message}.",
            "Check its signature.",
        ),
        "es": (
            "Se llama a una función con argumentos que no admite: {message}.",
            "Revisa su firma.",
        ),
    },
    "attribute": {
        "en": (
            "It uses an attribute that does not exist: {message}.",
            "Check the object's type and its methods.",
        ),
        "es": (
            "Usa un atributo que no existe: {message}.",
            "Revisa el tipo del objeto y sus métodos.",
        ),
    },
    "type_mismatch": {
        "en": (
            "Types do not fit together: {message}.",
            "Convert first (astype, pd.to_numeric, pd.to_datetime, str).",
        ),
        "es": (
            "Los tipos no encajan: {message}.",
            "Convierte antes (astype, pd.to_numeric, pd.to_datetime, str).",
        ),
    },
    "none": {
        "en": (
            "A value is None: {message}.",
            "Methods that change in place return None; a search may find nothing. Check "
            "before use.",
        ),
        "es": (
            "Un valor es None: {message}.",
            "Los métodos que modifican en el sitio devuelven None; una búsqueda puede no hallar "
            "nada. Comprueba antes de usarlo.",
        ),
    },
    "unpack": {
        "en": (
            "The number of values and of names differ: {message}.",
            "Check what the call returns.",
        ),
        "es": (
            "No coincide el número de valores con el de nombres: {message}.",
            "Revisa qué devuelve la llamada.",
        ),
    },
    "position": {
        "en": ("A position does not exist: {message}.", "Check the length before that step."),
        "es": ("Una posición no existe: {message}.", "Comprueba la longitud antes de ese paso."),
    },
    "unknown_key": {
        "en": ("The key {key} does not exist.", "Check the keys first, or use .get()."),
        "es": ("La clave {key} no existe.", "Comprueba antes las claves, o usa .get()."),
    },
    "zero_division": {
        "en": (
            "Something is divided by zero.",
            "Check for zero, or for an empty selection, first.",
        ),
        "es": ("Se divide por cero.", "Comprueba antes que no sea cero ni una selección vacía."),
    },
    "recursion": {
        "en": ("A function calls itself without end.", "Give it a case that ends, or use a loop."),
        "es": (
            "Una función se llama a sí misma sin fin.",
            "Dale un caso que termine, o usa un bucle.",
        ),
    },
    "assertion": {
        "en": (
            "An assertion of the program does not hold: {message}.",
            "Check what it assumes of the data.",
        ),
        "es": (
            "No se cumple una aserción del programa: {message}.",
            "Revisa lo que supone sobre los datos.",
        ),
    },
    "exit": {
        "en": (
            "The program ended itself (exit {message}).",
            "Leave out sys.exit(), exit() and quit().",
        ),
        "es": (
            "El programa terminó por sí mismo (salida {message}).",
            "Quita sys.exit(), exit() y quit().",
        ),
    },
    "input": {
        "en": (
            "The program waits for someone to type (input).",
            "Do without input(); write the values into the program.",
        ),
        "es": (
            "El programa espera a que alguien escriba (input).",
            "Prescinde de input(); escribe los valores en el programa.",
        ),
    },
    "event_loop": {
        "en": (
            "An event loop already runs in the notebook.",
            "Write `await` at the top level, without asyncio.run.",
        ),
        "es": (
            "En el cuaderno ya hay un bucle de eventos en marcha.",
            "Escribe `await` en el nivel superior, sin asyncio.run.",
        ),
    },
    "other": {
        "en": (
            "The program raised {error}: {message}.",
            "Read the traceback and mend the line it names.",
        ),
        "es": (
            "El programa lanzó {error}: {message}.",
            "Lee la traza y corrige la línea que nombra.",
        ),
    },
}
