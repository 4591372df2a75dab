"""What each instruction of a build does in its sandbox; error texts are E2B's own."""

import posixpath
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from capibara6_sandbox.host.build_records import StepContext
from capibara6_sandbox.host.builds.copying import copy
from capibara6_sandbox.host.builds.recipe import Step
from capibara6_sandbox.host.builds.uploads import Uploads
from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.programs import Hear, Program, ProgramFailedError, output, run


class StepError(Exception):
    """An instruction failed; the message is for the client."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where instructions are carried out."""

    guest: GuestClient
    uploads: Uploads
    hear: Hear
    timeout_s: float
    team: str = TEAM_DEFAULT  # whose archives


Instruction = Callable[[Site, Step, StepContext], Awaitable[StepContext]]

# Where a server has a single id, all files are its user's already, and no program has the id 0.
_MAKE_WORKDIR: Final = """
target={target}
[ -d "$target" ] && exit 0
first_new=""
check="$target"
while [ ! -d "$check" ]; do first_new="$check"; check=$(dirname "$check"); done
mkdir -p "$target" || exit 1
[ "$(id -u)" != 0 ] || chown -R {user}: "$first_new"
"""


async def carry_out(site: Site, step: Step, context: StepContext) -> StepContext:
    """Carry out one step; return what it leaves to the next one.

    Raises:
        StepError: it failed, or there is no such instruction.
    """
    instruction = _INSTRUCTIONS.get(step.kind)
    if instruction is None:
        raise StepError(
            f"failed to get command for step {step.type}: "
            f"command type {step.kind} is not implemented"
        )
    return await instruction(site, step, context)


async def _run(site: Site, step: Step, context: StepContext) -> StepContext:
    if not step.args:
        raise StepError("RUN requires command argument")
    command, user = step.args[0], (step.args[1] if len(step.args) > 1 else context.user)
    program = Program(command, user, context.workdir, context.env, site.timeout_s)
    try:
        await run(site.guest, program, site.hear)
    except ProgramFailedError as cause:
        raise StepError(f"failed to run command '{command}': {cause}") from None
    return context


async def _copy(site: Site, step: Step, context: StepContext) -> StepContext:
    if len(step.args) < 2:
        raise StepError("COPY requires a local path and a container path argument")
    if not step.filesHash:
        raise StepError(f"{step.kind} requires files hash to be set")
    archive = site.uploads.path(step.filesHash, site.team)
    if not archive.is_file():
        raise StepError(
            f"failed to open files object from storage: {step.filesHash} was not uploaded"
        )
    try:
        await copy(site.guest, archive, step.args, context, site.timeout_s)
    except ProgramFailedError as cause:
        raise StepError(str(cause)) from None
    return context


async def _env(site: Site, step: Step, context: StepContext) -> StepContext:
    if not step.args:
        raise StepError(f"{step.kind} does not support passing no arguments")
    if len(step.args) % 2:
        raise StepError(f"{step.kind} requires both a key and value arguments")
    env = dict(context.env)
    for name, value in zip(step.args[::2], step.args[1::2], strict=True):
        if not name or "=" in name or "\0" in name + value:
            raise StepError(f"{step.kind}: no program can have a variable of this name: {name!r}")
        try:
            env[name] = await _evaluate(site, value, env)
        except ProgramFailedError as cause:
            text = f"failed to evaluate environment variable {name}: {cause}"
            raise StepError(text) from None
    return context.model_copy(update={"env": env})


async def _user(site: Site, step: Step, context: StepContext) -> StepContext:
    if not step.args:
        raise StepError("USER requires a username argument")
    try:
        user = await _evaluate(site, step.args[0], context.env)
        known = shlex.quote(user)
        command = f"id -u -- {known} >/dev/null 2>&1 || useradd -m -s /bin/bash -- {known}"
        await run(site.guest, Program(command, "root", "/", {}, site.timeout_s), site.hear)
    except ProgramFailedError as cause:
        raise StepError(f"failed to create user: {cause}") from None
    return context.model_copy(update={"user": user})


async def _workdir(site: Site, step: Step, context: StepContext) -> StepContext:
    if not step.args:
        raise StepError("WORKDIR requires a path argument")
    try:
        given = await _evaluate(site, step.args[0], context.env)
        path = posixpath.normpath(posixpath.join(context.workdir or "/", given))
        user = shlex.quote(context.user)
        command = _MAKE_WORKDIR.format(target=shlex.quote(path), user=user)
        await run(site.guest, Program(command, "root", "/", {}, site.timeout_s), site.hear)
        entered = Program(f"cd {shlex.quote(path)} && pwd", "root", "/", {}, site.timeout_s)
        workdir = (await output(site.guest, entered)).strip()
    except ProgramFailedError as cause:
        raise StepError(f"failed to create workdir: {cause}") from None
    return context.model_copy(update={"workdir": workdir})


async def _evaluate(site: Site, value: str, env: dict[str, str]) -> str:
    """Put the values of variables in place of their names; nothing else is expanded."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    escaped = escaped.replace("$(", "\\$(")
    program = Program(f'printf "%s" "{escaped}"', "root", "/", env, site.timeout_s)
    return await output(site.guest, program)


_INSTRUCTIONS: Final[dict[str, Instruction]] = {
    "RUN": _run,
    "COPY": _copy,
    "ADD": _copy,
    "ENV": _env,
    "ARG": _env,
    "USER": _user,
    "WORKDIR": _workdir,
}
