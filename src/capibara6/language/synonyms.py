"""Words that name the same thing in the columns of everyday tables, in English and in Spanish.

One row a concept: English words, then Spanish ones. Only single words; plurals and accents are
folded away. A word may stand in several rows.
"""

from functools import cache

from capibara6.language.words import fold, stem

CONCEPTS: dict[str, tuple[str, str]] = {
    # time
    "date": ("date day", "fecha día"),
    "year": ("year", "año ejercicio"),
    "month": ("month", "mes"),
    "week": ("week", "semana"),
    "hour": ("hour", "hora"),
    "quarter": ("quarter", "trimestre"),
    "time": ("time moment", "tiempo momento hora"),
    "duration": ("duration running runtime length", "duración metraje"),
    "age": ("age", "edad"),
    "birth": ("birth", "nacimiento"),
    "start": ("start begin", "inicio comienzo"),
    "end": ("end finish", "fin final"),
    # money
    "budget": ("budget", "presupuesto"),
    "gross": (
        "gross earnings takings earn grossed boxoffice",
        "recaudación taquilla recaudar recaudan",
    ),
    "revenue": (
        "revenue income turnover sale money",
        "ingreso facturación facturar facturado recaudación venta dinero",
    ),
    "sale": ("sale sold sell", "venta vendido vender venden vendemos"),
    "price": ("price", "precio tarifa"),
    "cost": ("cost expense", "coste costo gasto costar costaron"),
    "spend": ("spend spent spending expense", "gasto gastar gastan"),
    "profit": ("profit margin benefit gain", "beneficio ganancia margen utilidad"),
    "salary": ("salary wage pay paid earn", "salario sueldo cobrar cobran cobra"),
    "bonus": ("bonus extra", "bonus plus prima gratificación"),
    "amount": ("amount", "importe monto cuantía"),
    "unit": ("unit", "unitario unitaria"),
    "tax": ("tax vat", "impuesto iva"),
    "discount": ("discount", "descuento rebaja"),
    "debt": ("debt", "deuda"),
    "payment": ("payment", "pago"),
    "currency": ("currency", "moneda divisa"),
    # quantities
    "quantity": ("quantity units qty", "cantidad unidades"),
    "number": ("number count no", "número cantidad recuento nº"),
    "rate": ("rate", "tasa"),
    "percent": ("percent percentage share", "porcentaje proporción"),
    "speed": ("speed velocity", "velocidad rapidez"),
    "weight": ("weight mass", "peso masa"),
    "height": ("height altitude", "altura estatura altitud"),
    "length": ("length", "longitud largo"),
    "width": ("width", "anchura ancho"),
    "depth": ("depth", "profundidad"),
    "size": ("size", "tamaño talla"),
    "area": ("area surface", "área superficie"),
    "distance": ("distance", "distancia"),
    "temperature": ("temperature temp", "temperatura"),
    "rain": ("rain precipitation rainfall rained", "lluvia precipitación llover llovió llueve"),
    "wind": ("wind windy windier windiest", "viento ventoso"),
    "humidity": ("humidity humid damp", "humedad húmedo"),
    "sky": ("sky", "cielo"),
    "station": ("station", "estación"),
    "weather": ("weather climate", "tiempo clima"),
    "power": ("power horsepower", "potencia"),
    "consumption": ("consumption usage", "consumo uso"),
    "value": ("value", "valor"),
    "minimum": ("min minimum lowest", "mínimo mínima"),
    "maximum": ("max maximum highest", "máximo máxima"),
    "total": ("total overall", "total"),
    "average": ("average mean avg", "media promedio medio"),
    # people and places
    "name": ("name", "nombre"),
    "surname": ("surname lastname", "apellido"),
    "sex": ("sex gender", "sexo género"),
    "person": ("person people", "persona gente"),
    "customer": ("customer client buyer", "cliente comprador"),
    "employee": ("employee worker staff", "empleado trabajador plantilla"),
    "job": ("job position post occupation", "puesto cargo empleo oficio"),
    "experience": ("experience seniority", "experiencia antigüedad"),
    "satisfaction": (
        "satisfaction satisfied happy happiness unhappy unhappiest",
        "satisfacción satisfecho contento",
    ),
    "leave": ("leave left quit attrition", "ido irse abandono marchado baja"),
    "hire": ("hire hired hiring", "contratación contratar contratado"),
    "remote": ("remote remotely", "remoto teletrabajo"),
    "student": ("student pupil", "estudiante alumno"),
    "patient": ("patient", "paciente"),
    "user": ("user", "usuario"),
    "seller": ("seller vendor salesperson", "vendedor comercial"),
    "supplier": ("supplier provider", "proveedor"),
    "company": ("company firm business", "empresa compañía negocio"),
    "country": ("country nation", "país nación"),
    "region": ("region zone territory continent", "región zona comunidad continente"),
    "state": ("state", "estado"),
    "province": ("province county", "provincia condado"),
    "city": ("city town", "ciudad localidad"),
    "municipality": ("municipality town", "municipio"),
    "address": ("address", "dirección domicilio"),
    "street": ("street", "calle"),
    "neighbourhood": ("neighbourhood neighborhood district", "barrio distrito"),
    "population": ("population inhabitants pop", "población habitante"),
    "latitude": ("latitude lat", "latitud"),
    "longitude": ("longitude lon lng", "longitud"),
    "origin": ("origin source", "origen procedencia"),
    "destination": ("destination", "destino"),
    "language": ("language", "idioma lengua"),
    "life": ("life", "vida"),
    "expectancy": ("expectancy expect expectation", "esperanza"),
    "fertility": ("fertility children births", "fecundidad natalidad hijos fertilidad"),
    "mortality": ("mortality death", "mortalidad muerte fallecimiento"),
    "nationality": ("nationality", "nacionalidad"),
    "education": ("education studies", "educación estudios formación"),
    "school": ("school", "colegio instituto escuela centro"),
    "course": ("course", "curso"),
    "maths": ("maths math mathematics", "mates matemáticas"),
    "science": ("science", "ciencias"),
    "study": ("study studied", "estudio estudiar estudian"),
    "absence": ("absence absent missed", "falta ausencia inasistencia"),
    "scholarship": ("scholarship grant", "beca becado becario"),
    "repeat": ("repeat repeater repeating", "repite repetir repetidor repetirá"),
    "shift": ("shift", "turno"),
    "return": ("return returned", "devolución devuelto devolver"),
    # things
    "product": ("product item article", "producto artículo"),
    "category": ("category", "categoría"),
    "class": ("class", "clase"),
    "group": ("group", "grupo"),
    "type": ("type kind", "tipo clase"),
    "segment": ("segment", "segmento"),
    "brand": ("brand make", "marca"),
    "model": ("model", "modelo"),
    "color": ("color colour", "color"),
    "status": ("status state", "estado situación"),
    "order": ("order purchase", "pedido compra orden"),
    "invoice": ("invoice bill", "factura"),
    "stock": ("stock inventory", "existencias inventario stock"),
    "department": ("department", "departamento sección"),
    "store": ("store shop", "tienda local"),
    "channel": ("channel", "canal"),
    "project": ("project", "proyecto"),
    "account": ("account", "cuenta"),
    "code": ("code", "código"),
    "identifier": ("id identifier", "id identificador"),
    "description": ("description", "descripción"),
    "comment": ("comment note remark", "comentario observación"),
    "result": ("result outcome", "resultado"),
    "level": ("level", "nivel"),
    "grade": ("grade mark score", "nota calificación puntuación"),
    "score": ("score rating", "puntuación nota valoración"),
    "vote": ("vote", "voto"),
    "position": ("position rank", "posición puesto"),
    "team": ("team", "equipo"),
    "game": ("game match", "partido juego"),
    "species": ("species", "especie"),
    "animal": ("animal wildlife fauna", "animal fauna"),
    "damage": ("damage harm", "daño"),
    "repair": ("repair", "reparación arreglo"),
    "accident": ("accident crash", "accidente siniestro"),
    "car": ("car vehicle", "coche vehículo auto"),
    "engine": ("engine motor", "motor"),
    "fuel": ("fuel gas", "combustible gasolina"),
    "house": ("house home dwelling", "casa vivienda"),
    "room": ("room bedroom", "habitación dormitorio"),
    # films
    "title": ("title", "título"),
    "film": ("film movie", "película"),
    "director": ("director", "director directora"),
    "genre": ("genre", "género"),
    "rating": ("rating score rated", "nota calificación valoración puntuación clasificación"),
    "actor": ("actor cast", "actor reparto"),
    "distributor": ("distributor", "distribuidora distribuidor"),
    "release": ("release released", "estreno estrenada estrenó"),
    "worldwide": ("worldwide world global", "mundial mundo global"),
    "production": ("production", "producción"),
    # flights
    "airport": ("airport", "aeropuerto"),
    "airline": ("airline carrier", "aerolínea"),
    "operator": ("operator", "operador operadora"),
    "aircraft": ("aircraft plane airplane", "avión aeronave"),
    "flight": ("flight", "vuelo"),
    "phase": ("phase stage", "fase etapa"),
    "delay": ("delay", "retraso demora"),
}

# Words that stand in cells rather than in headers, so that "de noche" finds the value "Night".
VALUE_CONCEPTS: dict[str, tuple[str, str]] = {
    "small": ("small little", "pequeño pequeña chico"),
    "medium": ("medium", "mediano mediana medio"),
    "large": ("large big", "grande"),
    "high": ("high", "alto alta"),
    "low": ("low", "bajo baja"),
    "day": ("day daytime", "día"),
    "night": ("night", "noche"),
    "dawn": ("dawn", "amanecer alba"),
    "dusk": ("dusk", "atardecer anochecer"),
    "male": ("male man men boy", "hombre masculino varón macho chico niño"),
    "female": ("female woman women girl", "mujer femenino hembra chica niña"),
    "yes": ("yes true", "sí verdadero"),
    "north": ("north", "norte"),
    "south": ("south", "sur"),
    "east": ("east", "este"),
    "west": ("west", "oeste"),
    "comedy": ("comedy", "comedia"),
    "drama": ("drama", "drama"),
    "action": ("action", "acción"),
    "horror": ("horror", "terror"),
    "adventure": ("adventure", "aventura"),
    "spring": ("spring", "primavera"),
    "summer": ("summer", "verano"),
    "autumn": ("autumn fall", "otoño"),
    "winter": ("winter", "invierno"),
    "spain": ("spain", "españa"),
    "mexico": ("mexico", "méxico"),
    "france": ("france", "francia"),
    "germany": ("germany", "alemania"),
    "italy": ("italy", "italia"),
    "japan": ("japan", "japón"),
    "brazil": ("brazil", "brasil"),
}


@cache
def _concepts_by_stem() -> dict[str, frozenset[str]]:
    return _by_stem(CONCEPTS)


@cache
def _value_concepts_by_stem() -> dict[str, frozenset[str]]:
    return _by_stem(VALUE_CONCEPTS)


def _by_stem(rows: dict[str, tuple[str, str]]) -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for concept, columns in rows.items():
        for word in " ".join(columns).split():
            table.setdefault(stem(fold(word)), set()).add(concept)
    return {key: frozenset(found) for key, found in table.items()}


@cache
def vocabulary(language: str) -> frozenset[str]:
    """Return the stems that only this language (`"en"` or `"es"`) has in the table."""
    sides = [
        {stem(fold(word)) for row in CONCEPTS.values() for word in row[side].split()}
        for side in (0, 1)
    ]
    mine, other = sides if language == "en" else reversed(sides)
    return frozenset(mine - other)


def concepts(word_stem: str) -> frozenset[str]:
    """Return what a stem can mean; empty when the table does not have it."""
    return _concepts_by_stem().get(word_stem, frozenset())


@cache
def value_words(concept: str) -> frozenset[str]:
    """Return the folded words of a concept of cells, unstemmed."""
    return frozenset(fold(word) for side in VALUE_CONCEPTS[concept] for word in side.split())


def value_concepts(word_stem: str) -> frozenset[str]:
    """Return what a stem can mean as a value in a cell."""
    return _value_concepts_by_stem().get(word_stem, frozenset())
