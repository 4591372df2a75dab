"""Makes the tables that tests/data/recipe_choice asks about: invented, the same every time.

    python bench/recipe_tables.py [FOLDER]

Eight tables of different shapes: English and Spanish, commas, semicolons with decimal commas, tabs
and JSON Lines; dates, years alone, neither; names with capitals, underscores and spaces.
"""

import json
import random
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "tests" / "data" / "recipe_choice"
ROWS = 120
Row = dict[str, object]


def day(draw: random.Random, first: date, days: int) -> date:
    return first + timedelta(days=draw.randrange(days))


def clock(draw: random.Random) -> str:
    return f"{draw.randrange(6, 23):02}:{draw.randrange(60):02}"


def maybe(draw: random.Random, value: object, share: float = 0.05) -> object:
    return "" if draw.random() < share else value


def tienda(draw: random.Random) -> list[Row]:
    """Orders of a shop, in Spanish."""
    products = {
        "Zapatillas": ("Calzado", 65),
        "Botas": ("Calzado", 95),
        "Camiseta": ("Ropa", 18),
        "Vaqueros": ("Ropa", 45),
        "Chaqueta": ("Ropa", 110),
        "Mochila": ("Complementos", 38),
        "Gorra": ("Complementos", 14),
        "Reloj": ("Complementos", 150),
    }
    rows: list[Row] = []
    for number in range(ROWS):
        name = draw.choice(list(products))
        kind, price = products[name]
        price = round(price * draw.uniform(0.9, 1.1), 2)
        units, discount = draw.randint(1, 6), draw.choice([0, 0, 0, 5, 10, 20])
        rows.append({
            "num_pedido": 5000 + number,
            "fecha": day(draw, date(2023, 1, 1), 540).strftime("%d/%m/%Y"),
            "ciudad": draw.choice(["Madrid", "Sevilla", "Bilbao", "Valencia", "Zaragoza", "Vigo"]),
            "producto": name,
            "categoria": kind,
            "canal": draw.choice(["web", "tienda fisica", "telefono"]),
            "unidades": units,
            "precio_unitario": price,
            "descuento_pct": discount,
            "total": round(units * price * (1 - discount / 100), 2),
            "devuelto": draw.choice(["no", "no", "no", "sí"]),
        })  # fmt: skip
    return rows


def employees(draw: random.Random) -> list[Row]:
    """The staff of a company, in English."""
    jobs = {
        "Sales": ["Account Manager", "Sales Rep"],
        "Engineering": ["Developer", "Tester", "Architect"],
        "Finance": ["Accountant", "Analyst"],
        "Support": ["Agent", "Team Lead"],
    }
    first = ["Ann", "Bob", "Carla", "Dan", "Eve", "Finn", "Gina", "Hugo", "Iris", "Jack", "Kim"]
    last = ["Adams", "Brown", "Cole", "Dunn", "Evans", "Ford", "Gray", "Hart", "Irwin", "Jones"]
    rows: list[Row] = []
    for number in range(ROWS):
        department = draw.choice(list(jobs))
        years = draw.randint(0, 28)
        salary = round(28000 + 1500 * years + draw.gauss(0, 6000), -2)
        score = round(min(10, max(1, draw.gauss(6.5, 1.8))), 1)
        rows.append({
            "employee_id": f"E{number + 1:03}",
            "full_name": f"{first[number % 11]} {last[number * 7 % 10]}",
            "department": department,
            "job_title": draw.choice(jobs[department]),
            "gender": draw.choice(["female", "male"]),
            "age": 22 + years + draw.randint(0, 9),
            "years_of_experience": years,
            "salary": int(salary),
            "bonus": maybe(draw, int(salary * draw.uniform(0, 0.15))),
            "satisfaction_score": score,
            "remote": draw.choice(["yes", "no"]),
            "hire_date": day(draw, date(2010, 1, 1), 5000).isoformat(),
            "left_company": "yes" if draw.random() < (0.5 if score < 5 else 0.12) else "no",
        })  # fmt: skip
    return rows


def weather(draw: random.Random) -> list[Row]:
    """Weather of three stations, in English: narrow, one row a day and station."""
    rows: list[Row] = []
    for number in range(ROWS):
        when = date(2024, 1, 1) + timedelta(days=3 * number)
        warm = 16 - 11 * abs(183 - when.timetuple().tm_yday) / 91
        high = round(warm + draw.gauss(6, 3), 1)
        rain = draw.choice([0, 0, 0, round(draw.expovariate(0.2), 1)])
        sky = "rain" if rain else draw.choice(["sun", "clouds", "fog"])
        rows.append({
            "Date": when.isoformat(),
            "Station": draw.choice(["Harbour", "Airport", "Hilltop"]),
            "Max temp": high,
            "Min temp": round(high - draw.uniform(4, 12), 1),
            "Rainfall mm": rain,
            "Wind kmh": round(draw.gammavariate(4, 5), 1),
            "Humidity": draw.randint(35, 99),
            "Sky": sky,
        })  # fmt: skip
    return rows


def alumnos(draw: random.Random) -> list[Row]:
    """Pupils and their marks, in Spanish: no dates."""
    rows: list[Row] = []
    for number in range(ROWS):
        hours, missed = round(draw.gammavariate(4, 2), 1), draw.randint(0, 18)
        base = 3.5 + 0.35 * hours - 0.08 * missed
        marks = [round(min(10, max(0, base + draw.gauss(0, 1.3))), 1) for _ in range(3)]
        rows.append({
            "alumno": f"A{number + 1:04}",
            "instituto": draw.choice(["Cervantes", "Lorca", "Machado", "Ramón y Cajal"]),
            "curso": draw.choice(["1º ESO", "2º ESO", "3º ESO", "4º ESO"]),
            "turno": draw.choice(["mañana", "tarde"]),
            "sexo": draw.choice(["chica", "chico"]),
            "edad": draw.randint(12, 17),
            "horas_estudio": hours,
            "faltas": missed,
            "nota_mates": marks[0],
            "nota_lengua": marks[1],
            "nota_ciencias": maybe(draw, marks[2]),
            "becado": draw.choice(["sí", "no", "no"]),
            "repite": "sí" if sum(marks) < 13 else "no",
        })  # fmt: skip
    return rows


def hospital(draw: random.Random) -> list[Row]:
    """Stays in a hospital, in English: names in capitals."""
    wards = {
        "Cardiology": ["Angina", "Heart failure"],
        "Surgery": ["Appendicitis", "Hernia"],
        "Pediatrics": ["Asthma", "Bronchitis"],
        "Oncology": ["Lymphoma", "Melanoma"],
    }
    rows: list[Row] = []
    for number in range(ROWS):
        ward = draw.choice(list(wards))
        age = draw.randint(1, 15) if ward == "Pediatrics" else draw.randint(20, 92)
        stay = max(1, round(draw.gammavariate(2, 2) + age / 20))
        rows.append({
            "PatientID": 90000 + number,
            "AdmissionDate": day(draw, date(2022, 3, 1), 700).isoformat(),
            "Ward": ward,
            "Diagnosis": draw.choice(wards[ward]),
            "Sex": draw.choice(["F", "M"]),
            "Age": age,
            "BMI": maybe(draw, round(draw.gauss(26, 4), 1)),
            "SystolicPressure": round(95 + age * 0.5 + draw.gauss(0, 10)),
            "Cholesterol": round(140 + age * 0.7 + draw.gauss(0, 22)),
            "StayDays": stay,
            "BillUSD": round(800 * stay * draw.uniform(0.7, 1.6), 2),
            "Insurance": draw.choice(["public", "private", "none"]),
            "Readmitted": "Yes" if draw.random() < 0.1 + 0.03 * stay else "No",
        })  # fmt: skip
    return rows


def pisos(draw: random.Random) -> list[Row]:
    """Flats for sale, in Spanish: many numbers, a year of building, no dates."""
    quarters = {"Centro": 4300, "Chamberí": 5200, "Lavapiés": 3900, "Tetuán": 3300, "Usera": 2300}
    rows: list[Row] = []
    for number in range(ROWS):
        quarter = draw.choice(list(quarters))
        area = draw.randint(35, 180)
        rows.append({
            "ref": f"P-{number + 1:03}",
            "barrio": quarter,
            "tipo_vivienda": draw.choice(["piso", "ático", "estudio", "dúplex"]),
            "superficie_m2": area,
            "habitaciones": max(1, round(area / 35 + draw.gauss(0, 0.6))),
            "banos": 1 + (area > 90),
            "planta": draw.randint(0, 9),
            "ascensor": draw.choice(["sí", "no"]),
            "ano_construccion": draw.randint(1900, 2020),
            "precio_eur": round(area * quarters[quarter] * draw.uniform(0.8, 1.25), -3),
            "gastos_comunidad": maybe(draw, draw.randint(20, 210)),
            "dias_publicado": round(draw.expovariate(1 / 45)),
            "certificado_energia": draw.choice("ABCDEFG"),
        })  # fmt: skip
    return rows


def trips(draw: random.Random) -> list[Row]:
    """Trips on rented bicycles, in English, as JSON Lines: no words that name a row."""
    stations = ["Old Town", "Riverside", "University", "Central Park", "Market", "Stadium"]
    rows: list[Row] = []
    for number in range(ROWS):
        kind = draw.choice(["electric", "classic"])
        km = round(draw.gammavariate(3, 1.2), 2)
        minutes = round(km * (3.2 if kind == "electric" else 4.4) * draw.uniform(0.8, 1.6), 1)
        rows.append({
            "trip_id": number + 1,
            "start_time": f"{day(draw, date(2023, 5, 1), 300)} {clock(draw)}",
            "start_station": draw.choice(stations),
            "end_station": draw.choice(stations),
            "bike_type": kind,
            "rider": draw.choice(["member", "casual"]),
            "duration_min": minutes,
            "distance_km": km,
            "avg_speed": round(60 * km / minutes, 1),
            "fare": round(1 + 0.15 * minutes, 2),
            "stars": draw.choice([3, 4, 4, 5, 5, 2, 1]),
            "helmet": draw.random() < 0.4,
        })  # fmt: skip
    return rows


def energia(draw: random.Random) -> list[Row]:
    """Electricity of countries over years, in Spanish: a panel, tabs."""
    countries = {
        "España": ("Europa", 47), "Francia": ("Europa", 67), "Alemania": ("Europa", 83),
        "Chile": ("América", 19), "México": ("América", 126), "Brasil": ("América", 213),
        "Marruecos": ("África", 37), "Kenia": ("África", 53), "Japón": ("Asia", 125),
        "India": ("Asia", 1380),
    }  # fmt: skip
    rows: list[Row] = []
    for country, (continent, people) in countries.items():
        for year in range(2010, 2022):
            total = people * draw.uniform(2.2, 5.5)
            sun, wind = total * (year - 2008) * 0.006, total * draw.uniform(0.02, 0.2)
            rows.append({
                "pais": country,
                "continente": continent,
                "anio": year,
                "poblacion_millones": round(people * (1 + 0.008 * (year - 2020)), 1),
                "generacion_twh": round(total, 1),
                "solar_twh": round(sun, 2),
                "eolica_twh": round(wind, 2),
                "emisiones_co2": round((total - sun - wind) * draw.uniform(0.3, 0.6), 1),
                "precio_kwh": round(draw.uniform(0.06, 0.31), 3),
                "pib_per_capita": draw.randint(1500, 48000),
                "nuclear": "sí" if country in ("España", "Francia", "Japón", "México") else "no",
            })  # fmt: skip
    return rows


TABLES: dict[str, tuple[Callable[[random.Random], list[Row]], str]] = {
    "tienda.csv": (tienda, ";"),
    "employees.csv": (employees, ","),
    "weather.csv": (weather, ","),
    "alumnos.csv": (alumnos, ","),
    "hospital.csv": (hospital, ","),
    "pisos.csv": (pisos, ";"),
    "trips.jsonl": (trips, ""),
    "energia.tsv": (energia, "\t"),
}


def written(rows: Sequence[Row], delimiter: str) -> str:
    """As lines of JSON without a delimiter; with semicolons, numbers have decimal commas."""
    if not delimiter:
        return "".join(json.dumps(row) + "\n" for row in rows)
    lines = [delimiter.join(rows[0])]
    for row in rows:
        cells = [
            str(cell).replace(".", ",")
            if isinstance(cell, float) and delimiter == ";"
            else str(cell)
            for cell in row.values()
        ]
        lines.append(delimiter.join(cells))
    return "\n".join(lines) + "\n"


def contents(name: str) -> str:
    """The text of a table by its file's name."""
    make, delimiter = TABLES[name]
    return written(make(random.Random(name)), delimiter)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name in TABLES:
        (folder / name).write_text(contents(name), encoding="utf-8")


if __name__ == "__main__":
    main()
