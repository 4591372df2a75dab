"""Messy data files whose true content is known, for the tests of profiling and recipes."""

import csv
import io
import json
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


@dataclass(frozen=True)
class MessyTable:
    """A file and what a careful person reads in it: None for missing, floats, dates, words."""

    name: str
    content: bytes
    rows: list[dict[str, object]]
    number: str
    amount: str
    category: str
    levels: tuple[str, str]
    day: str
    classes: str


def strikes() -> MessyTable:
    content = (EXAMPLES / "birdstrikes" / "birdstrikes.csv").read_bytes()
    rows: list[dict[str, object]] = []
    for row in csv.DictReader(io.StringIO(content.decode())):
        true: dict[str, object] = {k: v.strip() or None for k, v in row.items()}
        for name in ("Cost Other", "Cost Repair", "Cost Total $", "Speed IAS in knots"):
            true[name] = float(row[name]) if row[name] else None
        true["Flight Date"] = date.fromisoformat(row["Flight Date"])
        rows.append(true)
    return MessyTable(
        "birdstrikes.csv", content, rows, "Speed IAS in knots", "Cost Total $", "Time of day",
        ("Day", "Night"), "Flight Date", "Wildlife Size",
    )  # fmt: skip


def ventas() -> MessyTable:
    """Latin-1, semicolons, decimal commas, day first, spellings, gaps, repeated rows."""
    chance = random.Random(7)
    rows: list[dict[str, object]] = []
    for _ in range(400):
        price = round(chance.uniform(2, 90), 2)
        quantity = float(chance.randint(1, 20))
        rows.append({
            "fecha": date(2021, 1, 1) + timedelta(days=chance.randrange(730)),
            "artículo": chance.choice(["Mesa", "Silla", "Lámpara", "Sofá"]),
            "región": chance.choice(["Norte", "Sur", "Este", None]),
            "precio": None if chance.random() < 0.1 else price,
            "cantidad": quantity if chance.random() > 0.02 else quantity * 40,
            "importe": round(price * quantity * 1000, 2),
            "segmento": "empresa" if quantity > 10 else "particular",
        })  # fmt: skip
    rows += [dict(row) for row in rows[:9]]
    lines = [";".join(rows[0])]
    for index, row in enumerate(rows):
        cells = [
            f"{row['fecha']:%d/%m/%Y}",
            [row["artículo"], f" {str(row['artículo']).upper()} "][index % 37 == 36],
            row["región"] or ["", "n/d", "-"][index % 3],
            "n/d" if row["precio"] is None else _spanish(float(row["precio"])) + " €",
            f"{row['cantidad']:.0f}",
            _spanish(float(row["importe"])),
            row["segmento"],
        ]
        lines.append(";".join(map(str, cells)))
    content = "\r\n".join([*lines[:50], "", *lines[50:], ""]).encode("latin-1", "replace")
    content = content.replace(b"?", "€".encode("cp1252"))
    return MessyTable(
        "ventas.csv", content, rows, "precio", "cantidad", "región", ("Norte", "Sur"), "fecha",
        "segmento",
    )  # fmt: skip


def _spanish(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def sensors() -> MessyTable:
    """JSON Lines: numbers as text, nulls, words among numbers, dates with month names."""
    chance = random.Random(11)
    rows: list[dict[str, object]] = []
    for index in range(300):
        room = chance.choice(["Kitchen", "Attic", "Cellar"])
        warmth = {"Kitchen": 21, "Attic": 27, "Cellar": 12}[room] + chance.gauss(0, 1.5)
        rows.append({
            "Measured At": date(2023, 1, 1) + timedelta(days=index),
            "Room": room,
            "Temperature": None if index % 25 == 3 else round(warmth, 1),
            "Humidity": round(90 - 2 * warmth + chance.gauss(0, 1) + 300 * (index % 97 == 5), 1),
            "Comment": chance.choice(["None", "ok", "window open"]),
        })  # fmt: skip
    lines = []
    for index, row in enumerate(rows):
        written = dict(row, **{"Measured At": f"{row['Measured At']:%b %d %Y}"})
        if index % 4 == 0 and row["Temperature"] is not None:
            written["Temperature"] = str(row["Temperature"])
        if row["Temperature"] is None:
            written["Temperature"] = [None, "broken", "n/a"][index % 3]
        lines.append(json.dumps(written))
    content = ("\n".join(lines) + "\n").encode()
    return MessyTable(
        "sensors.jsonl", content, rows, "Temperature", "Humidity", "Room", ("Kitchen", "Attic"),
        "Measured At", "Room",
    )  # fmt: skip
