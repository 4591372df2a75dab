"""Results as the API gives them: the common views, with addresses of what can be fetched."""

from typing import Any
from urllib.parse import quote

from capibara6.outcomes import Outcome
from capibara6.store import ExecutionRecord, execution_id
from capibara6.views import view


def program_view(run_id: str, outcome: Outcome, *, recorded: bool) -> dict[str, Any]:
    """What came of a program that was run as it is, and whether there is a record of it."""
    record_id = execution_id(run_id, 1)
    result = view(outcome.result)
    return {"id": record_id, "run_id": run_id, "recorded": recorded, **_linked(result, record_id)}


def question_view(outcome: Outcome, *, recorded: bool) -> dict[str, Any]:
    """What came of a question: the answer, the route, every attempt, and whether it is stored."""
    record = outcome.as_json()
    for attempt in record["attempts"]:
        if attempt["result"]:
            _linked(attempt["result"], execution_id(record["run_id"], attempt["number"]))
    return record | {"recorded": recorded}


def record_view(record: ExecutionRecord) -> dict[str, Any]:
    """A stored execution in full."""
    return _linked(view(record), record.id)


def listed_view(record: ExecutionRecord) -> dict[str, Any]:
    """A stored execution in a list: what only the full record holds is left out."""
    shown: dict[str, Any] = view(record)
    return {key: value for key, value in shown.items() if key not in {"results", "artefacts"}}


def _linked(result: dict[str, Any], record_id: str) -> dict[str, Any]:
    for artefact in result["artefacts"]:
        artefact.pop("blob", None)
        name = quote(artefact["name"], safe="")
        artefact["url"] = f"/api/executions/{record_id}/artefacts/{name}"
    return result
