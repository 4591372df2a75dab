"""The reflector that asks a model: lessons in a schema, checked against what happened.

A model may see what no rule does, and may make things up; so a lesson counts only where its
trigger stands in the program that failed and not in the one that worked, and its remedy the other
way round. Whatever else it says is left out.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from capibara6.ace.complaints import message
from capibara6.ace.deltas import stable_id
from capibara6.ace.reflection import Repair
from capibara6.ace.signatures import signatures
from capibara6.domain.playbook import Bullet, Scope

Ask = Callable[[str], Awaitable[str]]  # a prompt, to the model's answer
LESSONS_MAX: Final = 3
_TEXT_CHARS_MAX: Final = 300
_CODE_CHARS_MAX: Final = 6_000
_SECTIONS: Final = ("api", "data", "strategy")
_OBJECT: Final = re.compile(r"\{.*\}", re.DOTALL)
PROMPT: Final = """A program failed and was mended. Say what another program can learn from it: \
short lessons about calls and data, none about this one task.

Failed program:
{failed}

Error: {error}

Mended program:
{mended}

Answer with JSON alone: {{"lessons": [{{"section": "api" | "data" | "strategy", "text": "...", \
"trigger": "the dotted name of the call at fault, as in numpy.trapz or .append; or empty", \
"remedy": ["the dotted names that replaced it"]}}]}}. At most {lessons_max}; an empty list if \
there is nothing to learn."""


async def interview(ask: Ask, repair: Repair, at: datetime) -> list[Bullet]:
    """Ask a model for the lessons of a repair; those that do not hold are left out.

    Args:
        ask: puts the prompt to the model; what it raises is the caller's.
        repair: what failed and what worked.
        at: when.
    """
    answer = await ask(
        PROMPT.format(
            failed=repair.failed[:_CODE_CHARS_MAX],
            mended=repair.mended[:_CODE_CHARS_MAX],
            error=f"{repair.error.name}: {message(repair.error)[:500]}",
            lessons_max=LESSONS_MAX,
        )
    )
    return checked(answer, repair, at)


def checked(answer: str, repair: Repair, at: datetime) -> list[Bullet]:
    """The lessons of an answer that hold: nothing of it is believed unseen."""
    before, after = signatures(repair.failed), signatures(repair.mended)
    found = []
    for item in _items(answer)[:LESSONS_MAX]:
        section, text = item.get("section"), item.get("text")
        trigger, remedy = item.get("trigger") or "", _texts(item.get("remedy"))
        if section not in _SECTIONS or not isinstance(text, str) or not text.strip():
            continue
        if not isinstance(trigger, str) or (trigger and trigger not in before):
            continue
        if trigger and (trigger in after or not remedy):
            continue
        if any(name not in after or name in before for name in remedy):
            continue
        told = " ".join(text.split())[:_TEXT_CHARS_MAX]
        about = (trigger, sorted(remedy)) if trigger else told
        scope = Scope("" if section == "api" else repair.task, (), repair.traits)
        found.append(
            Bullet(
                id=stable_id("lesson", *about) if trigger else stable_id("said", about),
                section=section,
                text=told,
                created=at,
                scope=scope,
                trigger=trigger,
                remedy=remedy,
                origin="model",
            )
        )
    return found


def _items(answer: str) -> list[Mapping[str, Any]]:
    found = _OBJECT.search(answer)
    try:
        value = json.loads(found[0]) if found else {}
    except (ValueError, RecursionError):
        return []
    lessons = value.get("lessons") if isinstance(value, dict) else None
    return [item for item in lessons if isinstance(item, dict)] if isinstance(lessons, list) else []


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(one for one in listed if isinstance(one, str))
