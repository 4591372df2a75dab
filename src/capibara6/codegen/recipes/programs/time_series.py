"""Follow a value, or the number of rows, through time; forecast it when asked."""

import warnings

import matplotlib.pyplot as plt
from IPython.display import display
from prelude import *
from scipy import stats

# Parameters
DATE = "date"  # a column of dates, or of years as numbers
VALUE = None  # None: count the rows
AGGREGATE = "sum"  # sum, mean, median, min or max
FREQUENCY = None  # D, W, M, Q, Y; None: chosen from the span
FORECAST = 0  # periods ahead
# End of parameters

PERIODS = {
    "D": text(en="day", es="día"),
    "W": text(en="week", es="semana"),
    "M": text(en="month", es="mes"),
    "Q": text(en="quarter", es="trimestre"),
    "Y": text(en="year", es="año"),
}
SEASON = {"D": 7, "W": 52, "M": 12, "Q": 4, "Y": 1}
AGGREGATES = {
    "sum": text(en="sum", es="suma"),
    "mean": text(en="mean", es="media"),
    "median": text(en="median", es="mediana"),
    "min": text(en="minimum", es="mínimo"),
    "max": text(en="maximum", es="máximo"),
}


def when(column):
    """Turn years into dates; dates stay."""
    if pd.api.types.is_numeric_dtype(column):
        years = column.where(column.between(1, 9999))
        return pd.to_datetime(years.astype("Int64").astype("str"), format="%Y", errors="coerce")
    return column


def frequency(dates):
    """Choose periods so that the line has some dozens of points."""
    if YEARS:
        return "Y"
    days = (dates.max() - dates.min()).days
    return "D" if days <= 92 else "W" if days <= 366 else "M" if days <= 366 * 5 else "Y"


def forecasts(series, periods):
    """Extend a series: the last value (naive) and exponential smoothing with a damped trend."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    season = SEASON[unit]
    seasonal = "add" if season > 1 and len(series) >= 2 * season + 2 else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every fit that stops at a limit
        model = ExponentialSmoothing(
            series.to_numpy(),
            trend="add",
            damped_trend=True,
            seasonal=seasonal,
            seasonal_periods=season if seasonal else None,
        ).fit()
        smooth = model.forecast(periods)
    return {"naive": np.repeat(series.iloc[-1], periods), "smoothing": smooth}


table = keep_rows(read_table())
used = pd.DataFrame({"when": when(table[DATE])})
used["value"] = 1.0 if VALUE is None else table[VALUE]
used = used.dropna()
YEARS = pd.api.types.is_numeric_dtype(table[DATE])
if used.empty:
    raise ValueError(NOTHING_LEFT)

future = int((used["when"] > pd.Timestamp.now()).sum())
if future:
    notes.append(
        text(
            en=f"{show(future)} dates lie in the future: check how the file writes its years.",
            es=f"{show(future)} fechas están en el futuro: revise cómo escribe el archivo los años.",
        )
    )

unit = FREQUENCY or frequency(used["when"])
periods = used.groupby(used["when"].dt.to_period(unit))["value"]
series = periods.size().astype(float) if VALUE is None else periods.agg(AGGREGATE)
every = pd.period_range(series.index.min(), series.index.max(), freq=unit)
if VALUE is None and len(every) <= 5000 and unit != "Y":
    series = series.reindex(every, fill_value=0.0)
name = text(en="number of rows", es="número de filas")
if VALUE is not None:
    of = text(en="of", es="de")
    name = f"{AGGREGATES[AGGREGATE]} {of} {VALUE}"

first, last = series.index[0], series.index[-1]
print(
    text(
        en=f"{sentence(name)} per {PERIODS[unit]}, from {first} to {last} ({len(series)} points):",
        es=f"{sentence(name)} por {PERIODS[unit]}, de {first} a {last} ({len(series)} puntos):",
    )
)
for period, value in series.items() if len(series) <= 24 else series.tail(12).items():
    print(f"  {period}: {show(value)}")
print(
    text(
        en=f"Highest: {show(series.max())} in {series.idxmax()}; lowest: {show(series.min())} in {series.idxmin()}.",
        es=f"Máximo: {show(series.max())} en {series.idxmax()}; mínimo: {show(series.min())} en {series.idxmin()}.",
    )
)
settled = series
last_date = used["when"].max().normalize()
if unit != "D" and not YEARS and last_date < last.end_time.normalize() and len(series) > 1:
    settled = series.iloc[:-1]
    notes.append(
        text(
            en=f"The data end on {last_date.date()}: the last {PERIODS[unit]} is incomplete, "
            "and trend and forecast leave it out.",
            es=f"Los datos acaban el {last_date.date()}: el último periodo ({PERIODS[unit]}) está "
            "incompleto, y tendencia y pronóstico no lo cuentan.",
        )
    )
if len(settled) >= 4:
    places = [period.ordinal for period in settled.index]
    trend = stats.linregress(places, settled.to_numpy())
    direction = text(
        en="rises" if trend.slope > 0 else "falls", es="sube" if trend.slope > 0 else "baja"
    )
    verdict = text(
        en=f"it {direction} by {show(abs(trend.slope))} a {PERIODS[unit]}",
        es=f"{direction} {show(abs(trend.slope))} por {PERIODS[unit]}",
    )
    if trend.pvalue >= 0.05:
        verdict = text(
            en="no steady rise or fall can be told from chance",
            es="no se distingue del azar una subida o bajada constante",
        )
    print(
        text(
            en=f"Trend: {verdict} (straight line, {chance(trend.pvalue)}).",
            es=f"Tendencia: {verdict} (línea recta, {chance(trend.pvalue)}).",
        )
    )
print(
    text(
        en=f"Rows used: {show(len(used))} of {show(len(table))}.",
        es=f"Filas usadas: {show(len(used))} de {show(len(table))}.",
    )
)
PERIOD = PERIODS[unit]
display(pd.DataFrame({PERIOD: series.index.astype("str"), name: series.to_numpy()}))

plt.figure(figsize=(10, 5))
plt.plot(series.index.to_timestamp(), series.to_numpy(), marker="o" if len(series) < 60 else None)
if FORECAST and len(settled) >= FORECAST + 6:
    known, held_out = settled.iloc[:-FORECAST], settled.iloc[-FORECAST:]
    errors = {
        method: np.abs(predicted - held_out.to_numpy()).mean()
        for method, predicted in forecasts(known, FORECAST).items()
    }
    better = min(errors, key=errors.get)
    METHODS = {
        "naive": text(en="repeating the last value", es="repetir el último valor"),
        "smoothing": text(en="exponential smoothing", es="suavizado exponencial"),
    }
    print(
        text(
            en=f"Forecast tried on the last {FORECAST} points, mean error: "
            + "; ".join(f"{METHODS[m]} {show(e)}" for m, e in errors.items())
            + f". Used below: {METHODS[better]}.",
            es=f"Pronóstico probado en los últimos {FORECAST} puntos, error medio: "
            + "; ".join(f"{METHODS[m]} {show(e)}" for m, e in errors.items())
            + f". Se usa: {METHODS[better]}.",
        )
    )
    step = int(pd.Series([period.ordinal for period in settled.index]).diff().median())
    ahead = pd.PeriodIndex([settled.index[-1] + step * (k + 1) for k in range(FORECAST)])
    predicted = pd.Series(forecasts(settled, FORECAST)[better], index=ahead)
    for period, value in predicted.items():
        print(f"  {period}: {show(value)}")
    FORECAST_NAME = text(en="forecast", es="pronóstico")
    display(pd.DataFrame({PERIOD: ahead.astype("str"), FORECAST_NAME: predicted.to_numpy()}))
    plt.plot(
        ahead.to_timestamp(), predicted.to_numpy(), ls="--", color="tab:red", label=FORECAST_NAME
    )
    plt.legend()
elif FORECAST:
    print(
        text(
            en=f"No forecast: {len(settled)} points are too few for {FORECAST} ahead.",
            es=f"Sin pronóstico: {len(settled)} puntos son pocos para {FORECAST} por delante.",
        )
    )
plt.xlabel(DATE)
plt.ylabel(name)
plt.title(text(en=f"{sentence(name)} over time", es=f"{sentence(name)} a lo largo del tiempo"))
plt.tight_layout()
plt.show()

for note in notes:
    print("·", note)
