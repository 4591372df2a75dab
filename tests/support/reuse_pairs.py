"""Pairs of questions: a program proved the first; may its recipe answer the second?

`MAY` says what must change in the program for it; of `MUST_NOT`, any answer is a wrong one.
"""

from capibara6.codegen.profiling import profile_file
from capibara6.domain.requests import DataFile

HOMES = profile_file(
    "homes.csv",
    b"city,district,price,rooms,surface,max floor,unit price,sold,year,elevator,name\n"
    b"Rome,North,100.5,2,80,3,12.5,2020-01-05,2020,yes,Ada\n"
    b"Oslo,South,90.5,3,70,5,11.5,2021-02-07,2021,no,Bo\n"
    b"Rome,South,120.5,3,95,2,10.5,2021-03-09,2021,yes,Cy\n"
    b"Paris,North,200.5,4,99,7,20.5,2020-04-11,2020,no,Di\n",
)
FLATS = profile_file(  # other columns besides the same ones
    "flats.csv",
    b"id,city,price,owner\n1,Bonn,50.5,Jo\n2,Kiel,60.5,Al\n3,Bonn,70.5,Mo\n",
)
EUROS = profile_file("euros.csv", b"city,price\nRome,100 EUR\nOslo,90 EUR\n")
SEMICOLONS = profile_file("homes.csv", b"city;price;rooms\nRome;100,5;2\nOslo;90,5;3\n")
PISOS = profile_file(
    "pisos.csv",
    b"ciudad,barrio,precio,habitaciones,superficie,vendido\n"
    b"Vigo,Norte,100.5,2,80,2020-01-05\nLugo,Sur,90.5,3,70,2021-02-07\n"
    b"Vigo,Sur,120.5,3,95,2021-03-09\n",
)
TABLES: dict[str, DataFile] = {"homes": HOMES, "pisos": PISOS}

_READ = "import pandas as pd\nframe = pd.read_csv({path!r})\n"
PROGRAMS = {
    "mean by": _READ + "print(frame.groupby({by!r})[{value!r}].mean().round(2))\n",
    "mean by, told": _READ
    + "for key, mean in frame.groupby({by!r})[{value!r}].mean().items():\n"
    + "    print(f'The average {value} by {by}: {{key}}: {{mean:.2f}}')\n",
    "mean": _READ + "print(frame[{value!r}].mean())\n",
    "mean, dotted": _READ + "print('average', frame.{value}.mean())\n",
    "mean where": _READ + "print(frame.loc[frame[{column!r}] == {cell!r}, {value!r}].mean())\n",
    "mean where, lower": _READ
    + "rows = frame[frame[{column!r}].str.lower() == {lower!r}]\nprint(rows[{value!r}].mean())\n",
    "over": _READ + "print((frame[{value!r}] > {number}).sum())\n",
    "over, derived": _READ + "print((frame[{value!r}] >= {number} + 1).sum(), {number}, 11)\n",
    "top": _READ
    + "means = frame.groupby({by!r})[{value!r}].mean()\nprint(means.nlargest({number}))\n",
    "top, default": _READ
    + "means = frame.groupby({by!r})[{value!r}].mean()\n"
    + "print('Top {number}', means.sort_values(ascending=False).head())\n",
    "year": _READ
    + "print(frame.loc[frame['sold'].str[:4].astype(int) == {number}, {value!r}].mean())\n",
    "since": _READ + "print(frame.loc[frame['vendido'] >= '{number}-01-01', {value!r}].mean())\n",
    "share": _READ + "print(frame[{value!r}].quantile({number} / 100))\n",
    "share, written": _READ + "print(frame[{value!r}].quantile(0.9))\n",
    "correlation": _READ + "print(frame[{value!r}].corr(frame[{by!r}]))\n",
    "count": _READ + "print(len(frame))\n",
    "contains": _READ + "print(frame['name'].str.contains({cell!r}).sum())\n",
    "listed": _READ + "print(frame[frame['city'].isin(['Rome', 'Oslo'])][{value!r}].mean())\n",
    "foreknown": _READ + "print(frame[{value!r}].mean(), 'which is 2.5 above last time')\n",
    "knows a city": _READ + "print(frame[{value!r}].mean(), 'mostly of Rome')\n",
    "by place": _READ + "print(frame.iloc[:, 2].mean())\n",
}

PRINTED = {"mean by, told": "The average price by city: Rome: 110.50"}

Values = dict[str, object]
First = tuple[str, str, str, str, Values]  # table, language, question, program, its values

_MEAN = ("mean by", {"by": "city", "value": "price"})
_BY: First = ("homes", "en", "What is the average price by city?", *_MEAN)
_TOLD: First = ("homes", "en", "average price by city", "mean by, told", _MEAN[1])
_POR: First = (
    "pisos", "es", "¿Cuál es el precio medio por ciudad?", "mean by",
    {"by": "ciudad", "value": "precio"},
)  # fmt: skip
_IN: First = (
    "homes", "en", "average price in Rome", "mean where",
    {"column": "city", "cell": "Rome", "value": "price"},
)  # fmt: skip
_EN: First = (
    "pisos", "es", "precio medio en Vigo", "mean where",
    {"column": "ciudad", "cell": "Vigo", "value": "precio"},
)  # fmt: skip
_OVER: First = (
    "homes", "en", "How many homes have a price over 100?", "over",
    {"value": "price", "number": 100},
)  # fmt: skip
_MAS: First = (
    "pisos", "es", "¿Cuántos pisos tienen un precio de más de 95,5?", "over",
    {"value": "precio", "number": 95.5},
)  # fmt: skip
_TOP: First = (
    "homes", "en", "top 3 cities by average price", "top",
    {"by": "city", "value": "price", "number": 3},
)  # fmt: skip
_YEAR: First = (
    "homes", "en", "average price of homes sold in 2020", "year",
    {"value": "price", "number": 2020},
)  # fmt: skip
_SINCE: First = (
    "pisos", "es", "precio medio desde 2021", "since", {"value": "precio", "number": 2021},
)  # fmt: skip
_CORR: First = (
    "homes", "en", "correlation between price and surface", "correlation",
    {"value": "price", "by": "surface"},
)  # fmt: skip
_COUNT: First = ("homes", "en", "How many homes are there?", "count", {})
_MEDIA: First = ("pisos", "es", "dime la media del precio", "mean", {"value": "precio"})
_HAS: First = ("homes", "en", 'how many names contain "da"?', "contains", {"cell": "da"})

# The first question, the second, and what must change in the program; {} where nothing must.
MAY: list[tuple[First, str, Values]] = [
    (_BY, "What is the average price by city?", {}),
    (_BY, "average price by city", {}),
    (_BY, "Show me the mean price per city, please", {}),
    (_BY, "Please calculate the average rooms by city", {"price": "rooms"}),
    (_BY, "average surface by district", {"price": "surface", "city": "district"}),
    (_BY, "I want to know the average of price by district", {"city": "district"}),
    (_BY, "precio medio por barrio", {"city": "district"}),  # it prints no words of its own
    (_TOLD, "average rooms by district", {"price": "rooms", "city": "district"}),
    (_POR, "precio medio por barrio", {"ciudad": "barrio"}),
    (_POR, "Muéstrame la superficie media por ciudad", {"precio": "superficie"}),
    (_POR, "Quiero saber el promedio de las habitaciones según el barrio",
     {"precio": "habitaciones", "ciudad": "barrio"}),
    (_POR, "dime la media del precio por ciudad, por favor", {}),
    (_IN, "average price in Oslo", {"Rome": "Oslo"}),
    (_IN, "What is the mean surface in Paris?", {"Rome": "Paris", "price": "surface"}),
    (_EN, "¿Cuál es el precio medio en Lugo?", {"Vigo": "Lugo"}),
    (_EN, "calcula la superficie media en Lugo", {"Vigo": "Lugo", "precio": "superficie"}),
    (_OVER, "How many homes have a price over 150?", {100: 150}),
    (_MAS, "¿Cuántos pisos tienen un precio de más de 110,5?", {95.5: 110.5}),
    (_TOP, "top 2 cities by average price", {3: 2}),
    (_TOP, "top 2 districts by average surface", {3: 2, "city": "district", "price": "surface"}),
    (_TOP, "top five cities by average price", {3: 5}),
    (_YEAR, "average price of homes sold in 2021", {2020: 2021}),
    (_SINCE, "superficie media desde 2020", {"precio": "superficie", 2021: 2020}),
    (_CORR, "correlation between rooms and surface", {"price": "rooms"}),
    (_CORR, "What is the correlation between price and rooms?", {"surface": "rooms"}),
    (_COUNT, "how many homes are there", {}),
    (_MEDIA, "dime la media de las habitaciones", {"precio": "habitaciones"}),
    (_HAS, 'how many names contain "lo"?', {"da": "lo"}),
    (_BY, "average unit price by city", {"price": "unit price"}),
    (_TOLD, "average unit price by district", {"price": "unit price", "city": "district"}),
]  # fmt: skip

# Of other pairs, what means the same by chance, read by hand.
ALSO_RIGHT: set[tuple[str, str]] = {
    (_BY[2], "average rooms by district"),
    (_BY[2], "average unit price by district"),
    (_TOLD[2], "What is the average price by city?"),
    (_TOLD[2], "average price by city"),
    (_TOLD[2], "Show me the mean price per city, please"),
    (_TOLD[2], "Please calculate the average rooms by city"),
    (_TOLD[2], "average surface by district"),
    (_TOLD[2], "I want to know the average of price by district"),
    (_TOLD[2], "average unit price by city"),
    (_OVER[2], "How many homes have a price over 20?"),
    (_MEDIA[2], "precio medio"),
    ("average price", "What is the average price?"),
}

MUST_NOT: list[tuple[First, str]] = [
    (_BY, "What is the median price by city?"),
    (_BY, "What is the maximum price by city?"),
    (_BY, "What is the minimum price by city?"),
    (_BY, "What is the total price by city?"),
    (_BY, "What is the average price?"),
    (_BY, "What is the average price by city and district?"),
    (_BY, "What is the average price by year?"),
    (_BY, "average price by city in 2020"),
    (_BY, "average price by city without Rome"),
    (_BY, "average price by city, not counting Rome"),
    (_BY, "average price by city for homes with an elevator"),
    (_BY, "average price by city and the number of homes"),
    (_BY, "which city has the highest average price?"),
    (_BY, "average price by city, sorted descending"),
    (_BY, "plot the average price by city"),
    (_BY, "average price by elevator"),
    (_BY, "average max floor by city"),
    (_BY, "average city by price"),
    (_BY, "average price per room by city"),
    (_BY, "average price by city as a percentage"),
    (_BY, "weighted average price by city"),
    (_BY, "average price by citys of the north"),
    (_TOLD, "precio medio por ciudad"),  # it would answer in English
    (_POR, "precio mediano por ciudad"),
    (_POR, "precio máximo por ciudad"),
    (_POR, "precio mínimo por ciudad"),
    (_POR, "precio total por ciudad"),
    (_POR, "precio medio por ciudad y barrio"),
    (_POR, "precio medio por ciudad sin Vigo"),
    (_POR, "precio medio por ciudad excepto Lugo"),
    (_POR, "precio medio por ciudad en 2020"),
    (_POR, "precio medio"),
    (_POR, "¿Qué ciudad tiene el mayor precio medio?"),
    (_POR, "gráfico del precio medio por ciudad"),
    (_POR, "precio medio por metro por ciudad"),
    (_POR, "desviación del precio medio por ciudad"),
    (_IN, "average price not in Rome"),
    (_IN, "average price outside Rome"),
    (_IN, "average price in Rome and Oslo"),
    (_IN, "average price in Berlin"),  # not in the data
    (_IN, "average price in the North"),  # of another column
    (_IN, "median price in Rome"),
    (_IN, "average price in Rome in 2021"),
    (_EN, "precio medio fuera de Vigo"),
    (_EN, "precio medio en Vigo y Lugo"),
    (_EN, "precio máximo en Vigo"),
    (_EN, "precio medio en Norte"),
    (_OVER, "How many homes have a price under 100?"),
    (_OVER, "How many homes have a price of at least 100?"),
    (_OVER, "How many homes have a rooms over 2?"),  # what is measured has no statistic
    (_OVER, "How many homes do not have a price over 100?"),
    (_OVER, "Which homes have a price over 100?"),
    (_OVER, "How many cities have a price over 100?"),
    (_OVER, "How many homes have a price over 1,000?"),  # a thousand, or one
    (_OVER, "What percentage of homes have a price over 100?"),
    (_MAS, "¿Cuántos pisos tienen un precio de menos de 95,5?"),
    (_MAS, "¿Cuántos pisos no tienen un precio de más de 95,5?"),
    (_MAS, "¿Qué pisos tienen un precio de más de 95,5?"),
    (_MAS, "¿Cuántos pisos tienen una superficie de más de 95,5?"),
    (_TOP, "bottom 3 cities by average price"),
    (_TOP, "top 3 cities by median price"),
    (_TOP, "top 3 cities by price"),
    (_TOP, "top 3 cities by average price in 2020"),
    (_YEAR, "average price of homes sold before 2020"),
    (_YEAR, "average price of homes sold since 2020"),
    (_YEAR, "average price of homes not sold in 2020"),
    (_YEAR, "average price of homes sold in 20"),
    (_SINCE, "precio medio hasta 2021"),
    (_SINCE, "precio medio en 2021"),
    (_SINCE, "precio máximo desde 2021"),
    (_CORR, "correlation between price and surface by city"),
    (_CORR, "difference between price and surface"),
    (_CORR, "scatter plot of price and surface"),
    (_COUNT, "how many homes are there in Rome"),
    (_COUNT, "how many cities are there"),
    (_COUNT, "how many different homes are there"),
    (_MEDIA, "dime la mediana del precio"),
    (_MEDIA, "dime la media del precio sin los extremos"),
    (_MEDIA, "dime la mitad del precio"),
    (_HAS, 'how many names do not contain "da"?'),
    (_HAS, 'how many names contain "d.a"?'),  # a pattern
    (_HAS, 'how many names start with "da"?'),
    # What the program holds for itself cannot be changed.
    (("homes", "en", "average price", "mean, dotted", {"value": "price"}), "average rooms"),
    (("homes", "en", "average price in Rome", "mean where, lower",
      {"column": "city", "lower": "rome", "value": "price"}), "average price in Oslo"),
    (("homes", "en", "How many homes have a price over 10?", "over, derived",
      {"value": "price", "number": 10}), "How many homes have a price over 20?"),
    (("homes", "en", "top 5 cities by average price", "top, default",
      {"by": "city", "value": "price", "number": 5}), "top 2 cities by average price"),
    (("homes", "en", "90 percent quantile of the price", "share, written", {"value": "price"}),
     "50 percent quantile of the price"),
    (("homes", "en", "average price in the two cities", "listed", {"value": "price"}),
     "average surface in the three cities"),
    (("homes", "en", "average price", "by place", {}), "average rooms"),
]  # fmt: skip
