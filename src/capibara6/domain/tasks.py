"""The kinds of task that a request can be, in the order in which ties are broken."""

TASKS = (
    "profile",
    "clean",
    "describe",
    "group",
    "correlate",
    "distribution",
    "time_series",
    "compare",
    "outliers",
    "regression",
    "classification",
    "clustering",
    "visualization",
    "code",
    "conversation",
)

# What presets of limits serve: the coarser kinds that people tell apart.
FAMILIES = {
    **dict.fromkeys(TASKS, "data_analysis"),
    **dict.fromkeys(("regression", "classification", "clustering"), "machine_learning"),
    "visualization": "visualization",
    "code": "code",
    "conversation": "conversation",
}
