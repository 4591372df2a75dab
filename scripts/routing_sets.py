"""Turns public routing data into the lines that `capibara6 eval router` reads.

    python scripts/routing_sets.py routellm gsm8k_responses.csv mixtral gpt-4 > gsm8k.jsonl
    python scripts/routing_sets.py llmrouter llmrouter_train.json > llmrouter.jsonl

RouteLLM's tables hold a prompt and a column of True or False for each model; the two are named by
parts of their columns' names. LLMRouter's list holds a question and the score of each model; as
cost, which it does not record, stands the number of parameters in the model's name, in 10⁹. Its
`cluster_id` is left out: it was made from the scores, so it would give the answer away.
"""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROUTELLM_USD_PER_MILLION_TOKENS = {"mixtral": 0.24, "gpt-4": 24.7}


def routellm(path: Path, *names: str) -> Iterator[dict[str, object]]:
    """Lines of one of RouteLLM's tables."""
    csv.field_size_limit(2**31 - 1)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            outcomes = {}
            for name in names:
                column = next(c for c in row if name in c.lower() and not c.endswith("_response"))
                cost = ROUTELLM_USD_PER_MILLION_TOKENS[name]
                outcomes[name] = {"success": float(row[column] == "True"), "cost": cost}
            yield {"prompt": row["prompt"], "outcomes": outcomes}


def llmrouter(path: Path) -> Iterator[dict[str, object]]:
    """Lines of LLMRouter's list."""
    for row in json.loads(path.read_text(encoding="utf-8")):
        outcomes = {
            model: {"success": score, "cost": _billions(model)}
            for model, score in row["scores"].items()
        }
        yield {"prompt": row["question"], "outcomes": outcomes}


def _billions(model: str) -> float:
    found = re.search(r"(\d+(?:\.\d+)?)b\b", model)
    if found is None:
        raise SystemExit(f"{model!r} names no number of parameters")
    return float(found[1])


def main() -> None:
    """Write the lines to standard output."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("routellm", "llmrouter"):
        raise SystemExit(__doc__)
    path = Path(sys.argv[2])
    lines = routellm(path, *sys.argv[3:]) if sys.argv[1] == "routellm" else llmrouter(path)
    for line in lines:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
