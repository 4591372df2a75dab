"""Words of programming and data analysis that mean the same, in English and in Spanish.

One row a concept: English words, then Spanish ones; the first English word names it. Words that
are alike in both languages (`matrix`, `matriz`) need no row where their letters show it. Plurals,
accents and endings are folded away by `words.stem`.
"""

from functools import cache
from typing import Final

from capibara6.language.words import fold, stem

_ROWS: Final = """
add sum total plus adding added | sumar suma añadir agregar total más
append concatenate join merge combine concat stack union | anexar concatenar unir juntar
append | combinar fusionar apilar
remove delete drop discard exclude strip eliminate | quitar eliminar borrar descartar excluir
remove | suprimir
replace substitute | reemplazar sustituir cambiar
change convert transform turn cast parse translate | convertir transformar pasar traducir cambiar
read load open import | leer cargar abrir importar lee carga abre
write save store export dump | escribir guardar exportar almacenar guarda escribe
draw plot chart graph figure diagram visualize visualise show display | dibujar gráfico gráfica
draw | figura diagrama visualizar mostrar representar trazar dibuja muestra
bar bars | barra barras
line lines curve | línea curva
scatter dots | dispersión puntos
histogram | histograma
pie | tarta circular
heatmap | calor
axis axes | eje ejes
title heading | título encabezado
label tag | etiqueta rótulo
legend | leyenda
color colour colormap palette | color colores paleta
average mean avg | media promedio medio
median | mediana
mode frequent common | moda frecuente común
deviation std spread | desviación
variance | varianza
percentile quantile quartile | percentil cuantil cuartil
maximum max largest biggest highest greatest longest most top | máximo mayor grande alto largo más
minimum min smallest lowest least shortest fewest | mínimo menor pequeño bajo corto menos
count number many how amount quantity tally | contar número cuántos cuántas cantidad recuento cuenta
sort order rank arrange sorted ascending descending | ordenar orden clasificar ascendente
sort | descendente ordena
reverse invert backwards | invertir revés inverso
filter select keep choose pick extract where | filtrar seleccionar elegir escoger extraer conservar
search find locate look detect identify | buscar encontrar hallar localizar detectar identificar
group grouped per by each category | agrupar grupo por cada categoría
split divide separate partition chunk | dividir separar partir trocear repartir
multiply product times | multiplicar producto
subtract minus difference less | restar diferencia menos resta
divide ratio quotient | dividir cociente razón
round rounded rounding decimals | redondear redondeo decimales
integral integrate area under | integral integrar área bajo
derivative differentiate gradient slope | derivada derivar gradiente pendiente
root roots sqrt square | raíz raíces cuadrada
power exponent exponential | potencia exponente exponencial
prime primes | primo primos
even | par pares
odd | impar impares
positive | positivo
negative | negativo
zero zeros | cero ceros
empty blank null missing nan na none absent | vacío nulo faltante ausente falta blanco
fill impute interpolate | rellenar imputar interpolar
forward previous last | adelante anterior último
backward next following | atrás siguiente
duplicate repeated repeat duplicates | duplicado repetido repetir duplicados
unique distinct different | único distinto diferente
equal same equals identical | igual mismo iguales idéntico
compare comparison versus against | comparar comparación frente contra
check verify validate test whether is determine | comprobar verificar validar probar determinar si
return give get obtain output retrieve fetch | devolver dar obtener devuelve regresar salida
return | recuperar
calculate compute evaluate work | calcular computar evaluar calcula halla
create make build generate produce construct | crear hacer construir generar producir crea genera
implement function method routine write | implementar función método rutina
list array sequence lists arrays vector | lista arreglo secuencia vector
dictionary dict map mapping hash | diccionario mapa
string text word characters str | cadena texto palabra caracteres
character letter char | carácter letra
uppercase capital upper | mayúscula mayúsculas
lowercase lower | minúscula minúsculas
vowel vowels | vocal vocales
consonant | consonante
bracket parenthesis parentheses brackets | corchete paréntesis
substring prefix suffix | subcadena prefijo sufijo
palindrome | palíndromo
digit digits figure | dígito cifra dígitos
number numbers numeric integer int float | número números numérico entero
random randomly shuffle | aleatorio azar aleatoriamente barajar
file files path folder directory | archivo fichero ruta carpeta directorio
table dataframe frame sheet spreadsheet | tabla hoja
row rows record records | fila filas registro
column columns field | columna columnas campo
cell | celda
header | cabecera encabezado
index position place | índice posición lugar
key keys | clave claves llave
value values | valor valores
date day dates | fecha día fechas
month monthly | mes mensual
year yearly annual | año anual
week weekly | semana semanal
hour hourly | hora horario
daily | diario
time timestamp | tiempo momento
frequency resample interval | frecuencia remuestrear intervalo
trend forecast predict prediction estimate | tendencia pronóstico predecir predicción prever estimar
train fit learn model training | entrenar ajustar aprender modelo entrenamiento
classify classification classifier | clasificar clasificación clasificador
regression regressor | regresión
cluster clusters clustering segment | agrupamiento grupos conglomerado segmento
accuracy precision score metric | exactitud precisión puntuación métrica
confusion | confusión
scale standardize normalize normalise standardise | escalar estandarizar normalizar
encode encoding one-hot | codificar codificación
feature features variable variables | característica variable atributo
correlation correlated relationship relation | correlación relación correlacionadas
distribution distributed | distribución
outlier outliers anomaly anomalies unusual | atípico anomalía raro atípicos valores
sample samples | muestra muestras
test hypothesis significance | prueba contraste hipótesis significación
matrix matrices | matriz matrices
inverse | inversa
transpose | traspuesta transponer
image picture photo | imagen foto
request url web page link | petición web página enlace
download | descargar
email mail | correo
password | contraseña
user | usuario
sentence phrase | frase oración
paragraph | párrafo
language | idioma lengua
space whitespace spaces blank | espacio espacios
comma commas separated delimiter separator semicolon | coma separado delimitador separador punto
line newline | línea renglón
loop iterate cycle | bucle iterar recorrer ciclo
recursive recursion | recursivo recursión
tree node | árbol nodo
graph edge | grafo arista
shortest | corto
distance | distancia
circle radius | círculo radio
triangle | triángulo
rectangle | rectángulo
square | cuadrado
height tall | altura alto
width wide | anchura ancho
length long size | longitud largo tamaño
angle degrees | ángulo grados
speed | velocidad
weight | peso
price cost | precio coste costo
sale sales sell sold revenue income | venta ventas vender ingreso ingresos
customer client | cliente
buy buys bought purchase | comprar compra
pay paid payment | pagar pago
earn earns wage salary | ganar gana salario sueldo
money dollars | dinero dólares
change percent percentage share proportion | porcentaje proporción cambio
increase grow growth rise | aumentar crecer crecimiento subir aumento
decrease fall drop | disminuir bajar caer descenso
half | mitad
double twice | doble
third | tercio
first | primero primer
last final | último final
second | segundo
next | próximo siguiente
before | antes
after | después
between among | entre
within inside | dentro
above over greater more than exceed | encima superior mayor sobre más
below under less fewer | debajo inferior menor
all every entire whole | todo todos cada entero
any some | alguno algún
without | sin
only just | solo únicamente
together | juntos
apart | aparte
left | izquierda
right | derecha
start begin beginning starts | empezar comenzar inicio principio empieza
end finish ending ends | acabar terminar fin final termina
new | nuevo
old | viejo antiguo
good best better | bueno mejor
bad worst worse | malo peor
big large | grande
small little | pequeño
true | verdadero cierto
false | falso
error exception fail failure | error excepción fallo
mistake wrong | equivocado incorrecto
fix repair mend correct | arreglar reparar corregir
run execute | ejecutar correr
program script code | programa código
library package module | biblioteca paquete módulo
version | versión
window rolling moving | ventana móvil deslizante
cumulative running accumulated | acumulado acumulada acumulativo
nested | anidado
level levels | nivel
wide pivot | ancho pivotar dinámica
long melt | largo
missing | perdido
clean tidy cleaning | limpiar limpieza ordenar
summary summarize summarise describe overview | resumen resumir describir descripción
profile explore explain | perfil explorar explicar
season seasonal seasonality | estación estacional estacionalidad
decompose decomposition component | descomponer descomposición componente
smooth smoothing | suavizar suavizado
binary | binario
decimal | decimal
base | base
bit bits | bit
greatest common divisor gcd | máximo común divisor
factorial | factorial
fibonacci | fibonacci
permutation permutations | permutación permutaciones
combination combinations | combinación combinaciones
probability chance | probabilidad
sum | suma
child children kid kids | niño niños hijo hijos
brother | hermano
sister | hermana
friend friends | amigo amigos
mother mom | madre mamá
father dad | padre papá
boy | chico niño
girl | chica niña
school class | escuela clase colegio
teacher | profesor maestro
student students | estudiante alumno
book books | libro libros
car cars | coche auto carro
house home | casa hogar
water | agua
food eat eats | comida comer come
egg eggs | huevo huevos
apple apples | manzana manzanas
minute minutes | minuto minutos
"""


@cache
def _by_stem() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in _ROWS.strip().splitlines():
        english, _, spanish = row.partition(" | ")
        name = english.split()[0]
        for word in f"{english} {spanish}".split():
            found.setdefault(stem(fold(word)), set()).add(name)
    return {key: frozenset(names) for key, names in found.items()}


def computing_concepts(word_stem: str) -> frozenset[str]:
    """What a stem means in programs and data; empty when the table does not have it."""
    return _by_stem().get(word_stem, frozenset())
