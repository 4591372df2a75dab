"""Words of everyday life that mean the same, in English and in Spanish: questions tell stories.

By themes; concepts are parted by semicolons, English words from Spanish ones by a bar, and the
first English word names the concept. Of verbs stand the usual forms. Words that are alike in both
languages (`hospital`) need no row; endings are folded away by `words.stem`.
"""

from functools import cache
from typing import Final

from capibara6.language.words import fold, stem

_PEOPLE: Final = """
person people | persona gente personas; man men | hombre; woman women | mujer; boy | niño chico;
girl | niña chica; child children kid | niño hijo niños hijos; baby infant | bebé; friend | amigo
amiga; brother sibling | hermano; sister sibling | hermana; mother mom mum | madre mamá; father dad
| padre papá; parent | padres; son | hijo; daughter | hija; wife | esposa; husband | esposo marido;
uncle | tío; aunt | tía; cousin | primo prima; grandmother grandma | abuela; grandfather grandpa |
abuelo; neighbor neighbour | vecino; family | familia; guest visitor | invitado; teacher professor |
maestro profesor docente; student pupil | estudiante alumno; doctor | médico; nurse | enfermera;
worker employee | trabajador obrero empleado; boss manager | jefe gerente; driver | conductor
chofer; farmer | granjero agricultor; artist painter | artista pintor; writer author | escritor
autor; player | jugador; team | equipo; member | miembro; king | rey; queen | reina; soldier |
soldado; police officer | policía; lawyer | abogado; owner | dueño; seller | vendedor; thief |
ladrón; name | nombre; crowd | multitud; couple | pareja
"""
_BODY_AND_CLOTHES: Final = """
body | cuerpo; head | cabeza; hair | pelo cabello; eye | ojo; ear | oreja oído; nose | nariz; mouth
| boca; tooth teeth | diente; hand | mano; finger | dedo; arm | brazo; leg | pierna pata; foot feet
| pie; heart | corazón; blood | sangre; bone | hueso; skin | piel; clothes clothing | ropa; shirt |
camisa camiseta; pants trousers jeans | pantalones pantalón; dress | vestido; skirt | falda; shoe |
zapato; sock | calcetín media; hat cap | sombrero gorra; coat jacket | abrigo chaqueta; robe gown |
bata túnica; glove | guante; glasses | gafas anteojos lentes; ring | anillo; necklace | collar; bag
| bolsa bolso; backpack | mochila; cloth fabric fiber | tela fibra; thread yarn wool | hilo lana;
button | botón; sew knit | coser tejer
"""
_HOME: Final = """
house home | casa hogar; apartment flat | apartamento piso departamento; room | habitación cuarto
sala; bedroom | dormitorio; kitchen | cocina; bathroom | baño; garden yard | jardín patio; door |
puerta; window | ventana; wall | pared muro; floor | suelo piso planta; roof | techo tejado; bed |
cama; chair seat | silla asiento; desk | escritorio; lamp light | lámpara luz; mirror | espejo;
shelf | estante repisa; box | caja; bottle | botella; glass | vaso vidrio; cup | taza; plate dish |
plato; spoon | cuchara; fork | tenedor; knife | cuchillo; pot pan | olla sartén; basket | cesta
canasta; bucket | cubo balde; fence | cerca valla; stairs step | escalera escalón; bridge | puente;
toy | juguete; doll | muñeca muñeco; ball | pelota balón bola; balloon | globo; candle | vela; gift
present | regalo; blanket | manta; pillow | almohada; towel | toalla; soap | jabón; clean wash
washes cleans cleaned | limpiar lavar limpia lava lavado; rent | alquiler; furniture | mueble; paint
| pintura pintar pinta; brick | ladrillo; wood wooden | madera; paper | papel; pencil | lápiz; pen |
bolígrafo pluma; notebook | cuaderno; page | página; magazine | revista; newspaper | periódico;
story | historia cuento; letter | carta; ticket | boleto entrada billete; card | tarjeta carta; game
| juego partido; board whiteboard blackboard | pizarra tablero; clock watch | reloj; phone |
teléfono
"""
_FOOD: Final = """
meal | comida; breakfast | desayuno; lunch | almuerzo comida; dinner supper | cena; bread loaf | pan
barra; butter | mantequilla; cheese | queso; milk | leche; meat beef | carne; chicken | pollo
gallina; fish | pez pescado; rice | arroz; soup | sopa; salt | sal; sugar | azúcar; flour | harina;
oil | aceite; honey | miel; fruit | fruta; orange | naranja; lemon | limón; grape | uva; strawberry
| fresa; cherry | cereza; pineapple | piña; peach | durazno melocotón; pear | pera; watermelon |
sandía; potato | papa patata; tomato | tomate; onion | cebolla; carrot | zanahoria; corn | maíz;
bean | frijol judía; pea | guisante; vegetable | verdura vegetal; salad | ensalada; cake pie pastry
| pastel torta tarta; cookie biscuit | galleta; candy sweet | dulce caramelo golosina; gum gumball |
chicle; ice | hielo; cream | crema helado; chocolate | chocolate; juice | jugo zumo; coffee | café;
tea | té; wine | vino; beer | cerveza; drink beverage soda drinks drank | bebida refresco beber
bebe; slice piece | rebanada porción trozo pieza; nut almond | nuez almendra; egg | huevo; cook bake
cooks bakes baked | cocinar hornear cocina hornea; restaurant | restaurante; hungry | hambre; recipe
| receta; snack | merienda bocadillo; sandwich | sándwich emparedado
"""
_NATURE: Final = """
animal | animal; dog puppy | perro cachorro; cat kitten | gato gatito; horse pony | caballo poni;
cow | vaca; pig | cerdo; sheep | oveja; goat | cabra; duck | pato; bird | pájaro ave; rabbit bunny |
conejo; mouse mice | ratón; lion | león; tiger | tigre; bear | oso; monkey | mono; wolf | lobo; fox
| zorro; snake | serpiente; spider | araña; bee | abeja; ant | hormiga; butterfly | mariposa; fly |
mosca; frog | rana; turtle | tortuga; elephant | elefante; whale | ballena; dragon | dragón; hive |
colmena; nest | nido; wing | ala; tail | cola; feather | pluma; tree | árbol; leaf leaves | hoja;
flower | flor; rose | rosa; grass | césped hierba pasto; seed | semilla; plant | planta plantar;
bush | arbusto; branch | rama; forest | bosque; field | campo; farm ranch | granja; sea ocean | mar
océano; river | río; lake | lago; beach | playa; island | isla; mountain hill | montaña colina;
stone rock | piedra roca; sand | arena; sun sunny | sol soleado; moon | luna; star | estrella; sky |
cielo; rain | lluvia llover; snow | nieve; wind | viento; fire | fuego incendio; earth land soil |
tierra; air | aire; water | agua; weather | clima tiempo; summer | verano; winter | invierno; spring
| primavera; autumn fall | otoño; gold | oro; silver | plata; iron | hierro
"""
_PLACES_AND_TRAVEL: Final = """
city town | ciudad pueblo; country nation | país; street road | calle carretera camino; school |
escuela colegio; classroom | aula salón; class lesson | clase lección; university college |
universidad; store shop | tienda; market | mercado; library | biblioteca; office | oficina; factory
| fábrica; bank | banco; church | iglesia; park | parque; zoo | zoológico; theater theatre cinema |
teatro cine; movie film | película; bus | autobús; car auto | coche auto carro automóvil; truck |
camión; train | tren; plane airplane flight | avión vuelo; boat ship | barco bote; bicycle bike |
bicicleta; wheel | rueda; trip travel journey | viaje viajar; map | mapa; station | estación; garage
| garaje cochera; building | edificio; tower | torre; pool | piscina alberca; hotel | hotel; court |
cancha; mile | milla; foot feet | pie pies; inch | pulgada; yard | yarda; meter metre | metro;
kilometer | kilómetro; pound | libra; ounce | onza; gallon | galón; liter litre | litro; dozen |
docena; acre | acre; pair | par; ton | tonelada; drive drives drove | conducir manejar conduce
maneja; walk walks walked | caminar pasear camina; run runs ran | correr corre corrió; fly flies
flew | volar vuela; swim | nadar nada; ride rides | montar monta
"""
_DOING: Final = """
take takes took bring brings brought carry | tomar llevar traer toma lleva trae llevó tomó; go goes
went | ir va fue van; come comes came arrive | venir llegar viene llega; leave leaves left | salir
dejar sale deja quedan; stay remain | quedar quedarse; have has had | tener tiene tienen tenía
tengo; need needs | necesitar necesita necesitan; want wants wish | querer quiere; make makes made |
hacer hace hizo hacen; do does did | hacer hace; play plays | jugar juega tocar; work works job |
trabajar trabajo trabaja; study | estudiar; learn | aprender; teach teaches | enseñar enseña; see
sees saw watch | ver mira mirar ve; hear listen | oír escuchar; say says said tell | decir dice
dijo; talk speak | hablar habla; ask asks | preguntar pedir pide; answer | responder respuesta;
think | pensar piensa; know knows | saber conocer sabe; remember | recordar; forget | olvidar; give
gives gave | dar da dio; lend borrow | prestar; share shared shares | compartir comparte comparten;
lose loses lost | perder pierde perdió; win wins won | ganar gana ganó; find found | encontrar
encuentra; break broke broken | romper rompe rompió; build builds built | construir construye; cut
cuts | cortar corta; put puts place | poner pone colocar coloca; throw throws threw | lanzar tirar
lanza; pour spill | verter derramar derramo; hold holds | sostener sujetar; fill fills full | llenar
llena lleno; empty | vaciar vacío; open | abrir abre; close shut | cerrar cierra; use uses used |
usar usa utilizar utiliza; help | ayudar ayuda; live lives | vivir vive; die dies died dead | morir
muere muerto; grow grows grew | crecer crece; sleep sleeps | dormir duerme; wait | esperar espera;
send sends sent | enviar envía; receive receives | recibir recibe; collect gather | recoger
coleccionar recoge; save saves saved | ahorrar ahorra ahorró; owe debt | deber debe deuda; invest |
invertir; charge charges | cobrar cobra; order | pedir pedido; visit | visitar visita; read reads |
leer lee; write writes wrote | escribir escribe; sing song | cantar canción; dance | bailar baile;
begin start | empezar comenzar; finish end | terminar acabar; pick picks | recoger escoger; move |
mover mudar; care | cuidar cuida cuidado; buy buys bought | comprar compra compró compran; sell
sells sold | vender vende vendió
"""
_QUALITIES: Final = """
red | rojo roja; blue | azul; green | verde; yellow | amarillo amarilla; white | blanco blanca;
black | negro negra; brown | marrón café castaño; pink | rosa rosado rosada; purple | morado
púrpura; gray grey | gris; tall high | alto alta; short | bajo corto; long | largo larga; wide |
ancho; young | joven; old | viejo mayor; new | nuevo nueva; fast quick | rápido; slow | lento; heavy
| pesado; light | ligero; hot warm | caliente cálido; cold | frío; happy | feliz contento; sad |
triste; strong | fuerte; weak | débil; easy | fácil; hard difficult | difícil duro; cheap | barato;
expensive | caro; free | gratis libre; rich | rico; poor | pobre; broken | roto; dirty | sucio; wet
| mojado; dry | seco; soft | suave blando; early | temprano; late | tarde; near close | cerca; far |
lejos; other another | otro otra; different various | diferente distinto; half | mitad medio media;
double twice | doble; triple thrice | triple; quarter | cuarto; extra additional | adicional; often
times time | vez veces; today | hoy; yesterday | ayer; tomorrow | mañana; morning | mañana;
afternoon | tarde; night evening | noche; weekend | fin; monday | lunes; tuesday | martes; wednesday
| miércoles; thursday | jueves; friday | viernes; saturday | sábado; sunday | domingo; january |
enero; february | febrero; march | marzo; april | abril; may | mayo; june | junio; july | julio;
august | agosto; september | septiembre; october | octubre; november | noviembre; december |
diciembre; coin | moneda; bill | billete factura; debt | deuda; contest competition | concurso
competencia; race | carrera; party | fiesta; birthday | cumpleaños; wedding | boda; holiday vacation
| vacaciones; exam test | examen prueba; homework | tarea deberes; grade mark | calificación nota;
war | guerra; vote votes voted | voto votar votó
"""
_THEMES: Final = (
    _PEOPLE, _BODY_AND_CLOTHES, _HOME, _FOOD, _NATURE, _PLACES_AND_TRAVEL, _DOING, _QUALITIES,
)  # fmt: skip
_NUMBERS: Final = """
0 zero | cero; 1 one | uno un una; 2 two twice double | dos doble; 3 three triple thrice | tres
triple; 4 four | cuatro; 5 five | cinco; 6 six | seis; 7 seven | siete; 8 eight | ocho; 9 nine |
nueve; 10 ten | diez; 11 eleven | once; 12 twelve | doce; 13 thirteen | trece; 14 fourteen |
catorce; 15 fifteen | quince; 16 sixteen | dieciséis; 17 seventeen | diecisiete; 18 eighteen |
dieciocho; 19 nineteen | diecinueve; 20 twenty | veinte; 30 thirty | treinta; 40 forty | cuarenta;
50 fifty | cincuenta; 60 sixty | sesenta; 70 seventy | setenta; 80 eighty | ochenta; 90 ninety |
noventa; 100 hundred | cien ciento cientos; 1000 thousand | mil miles; 1000000 million | millón
millones
"""


def _rows(theme: str) -> list[tuple[list[str], list[str]]]:
    rows = []
    for row in theme.replace("\n", " ").split(";"):
        english, bar, spanish = row.partition(" | ")
        if bar:
            rows.append((english.split(), spanish.split()))
    return rows


@cache
def _by_stem() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for theme in _THEMES:
        for english, spanish in _rows(theme):
            for word in english + spanish:
                found.setdefault(stem(fold(word)), set()).add(english[0])
    return {key: frozenset(names) for key, names in found.items()}


@cache
def _number_words() -> dict[str, str]:
    return {
        fold(word): english[0] for english, spanish in _rows(_NUMBERS) for word in english + spanish
    }


def everyday_concepts(word_stem: str) -> frozenset[str]:
    """What a stem means in everyday life; empty when the table does not have it."""
    return _by_stem().get(word_stem, frozenset())


def number_named(word: str) -> str | None:
    """The digits of a folded word that is a number or names one; None for another word."""
    return word if word.isdecimal() else _number_words().get(word)
