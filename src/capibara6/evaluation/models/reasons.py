"""Why a suite's own solution fails in our sandboxes: by its error, never by its task. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from capibara6.store import ModelSample

_NETWORK = re.compile(
    r"Errno -[23]\b|Name or service not known|name resolution|Max retries exceeded|urlopen error|"
    r"Network is unreachable|NewConnectionError|ConnectionError|getaddrinfo|gaierror|ENETUNREACH|"
    r"socket\.timeout|Failed to establish|Connection refused|Remote end closed"
)
_CORPUS = re.compile(r"Resource .*?(\w+).{0,20} not found|nltk\.download|corpora", re.DOTALL)
_COMMAND = re.compile(r"(?:No such file or directory|not found): '?([\w./-]+)'?")
_OF_KINDS: Final = {
    "timeout": "it did not end in time",
    "out_of_memory": "it needs more memory than its sandbox has",
    "memory": "it needs more memory than its sandbox has",
    "network_denied": "it needs the network, which sandboxes have not",
    "attribute_removed": "a name or argument that the installed version has no more",
    "missing_name": "a name or argument that the installed version has no more",
    "arguments": "a name or argument that the installed version has no more",
    "attribute": "a name or argument that the installed version has no more",
}


def reason(sample: ModelSample) -> str:
    """Why a solution failed, in words that are the same for the same reason."""
    if sample.missing:
        return f"package {sample.missing.partition('.')[0]} is not in the template"
    text = f"{sample.error}\n{sample.traceback}"
    if _NETWORK.search(text):
        return _OF_KINDS["network_denied"]
    if sample.kind in _OF_KINDS:
        return _OF_KINDS[sample.kind]
    if sample.kind == "assertion":
        return "its tests expect other values than the installed versions give"
    return f"{sample.error.partition(':')[0]} ({sample.kind})"


def reasons(failed: Iterable[ModelSample]) -> dict[str, list[str]]:
    """The tasks of each reason, the most frequent reason first."""
    found: dict[str, list[str]] = {}
    for sample in failed:
        found.setdefault(reason(sample), []).append(sample.task)
    counts = Counter({name: len(tasks) for name, tasks in found.items()})
    return {name: found[name] for name, _ in counts.most_common()}
