"""One repair with its lesson, and bullets, for tests of the playbook."""

from datetime import UTC, datetime, timedelta

from capibara6.ace.reflection import Repair, reflect
from capibara6.domain.executions import ExecutionError
from capibara6.domain.playbook import Bullet
from capibara6.domain.requests import Route

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = [f"{number:032x}" for number in range(4)]
ROUTE = Route("describe", "default", "fast", "en", 0.9)


def bullet(number: int, text: str = "", **fields: object) -> Bullet:
    options = {"section": "api", "text": text or f"lesson {number}", "created": NOW, **fields}
    return Bullet(IDS[number], **options)  # type: ignore[arg-type]


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


OLD = "import numpy as np\narea = np.trapz([1, 2])\nprint(area)"
NEW = "import numpy as np\narea = np.trapezoid([1, 2])\nprint(area)"
GONE = ExecutionError(
    "AttributeError", "module 'numpy' has no attribute 'trapz'", "Cell In[1], line 2"
)
LESSON = reflect(Repair(OLD, NEW, "attribute_removed", GONE), None, NOW)
