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
