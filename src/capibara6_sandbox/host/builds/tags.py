"""Tags of a template: names that point to one of its builds."""

from collections.abc import Sequence
from datetime import datetime

from capibara6_sandbox.errors import BadRequestError, NotFoundError
from capibara6_sandbox.host.build_records import OwnTemplate
from capibara6_sandbox.host.builds.library import Library
from capibara6_sandbox.host.builds.names import DEFAULT_TAG, clean_tags, parse_name
from capibara6_sandbox.host.key_records import TEAM_DEFAULT


def assign(
    library: Library, target: str, tags: Sequence[str], team: str = TEAM_DEFAULT
) -> tuple[str, list[str]]:
    """Let tags point to the build that `target` means; return its id and them.

    Raises:
        BadRequestError, NotFoundError: in E2B's words.
    """
    if not tags:
        raise BadRequestError("At least one tag is required")
    name = parse_name(target, "Invalid target template format")
    template = library.get(name.alias, team)
    wanted = name.tag or DEFAULT_TAG
    tagged = template.tags.get(wanted)
    if tagged is None:
        raise NotFoundError(f"Template '{target}' with tag '{wanted}' not found")
    cleaned = clean_tags(tags)
    library.tag(template, tagged.build_id, cleaned)
    return tagged.build_id, cleaned


def unassign(library: Library, text: str, tags: Sequence[str], team: str = TEAM_DEFAULT) -> None:
    """Remove tags from a template; those that it has not do not matter.

    Raises:
        BadRequestError, NotFoundError: in E2B's words.
    """
    cleaned = clean_tags(tags)
    if not cleaned:
        raise BadRequestError("At least one tag is required")
    if DEFAULT_TAG in cleaned:
        raise BadRequestError(f"Cannot delete the '{DEFAULT_TAG}' tag")
    name = parse_name(text, "Invalid template name format")
    if name.tag:
        raise BadRequestError(
            "Template name should not contain a tag, use the 'tags' field instead"
        )
    template = library.get(name.alias, team)
    template.tags = {tag: kept for tag, kept in template.tags.items() if tag not in cleaned}
    library.write(template)


def newest_first(template: OwnTemplate) -> list[tuple[str, str, datetime]]:
    """Return (tag, build, time) of a template's tags."""
    tags = [(tag, record.build_id, record.created_at) for tag, record in template.tags.items()]
    return sorted(tags, key=lambda entry: entry[2], reverse=True)
