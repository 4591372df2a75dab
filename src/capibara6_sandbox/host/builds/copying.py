"""COPY: an uploaded archive is unpacked inside the sandbox, never on the host, and moved there.

Where the entries end follows Docker: a directory's contents are merged into the target, a file or
a link gets the target's name, or goes into it when it ends with a slash.
"""

import asyncio
import contextlib
import re
import secrets
import shlex
from pathlib import Path
from typing import Final

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.build_records import StepContext
from capibara6_sandbox.host.guest_client import GuestClient, GuestLostError
from capibara6_sandbox.host.programs import Program, ProgramFailedError, run

_CHUNK_BYTES: Final = 1 << 20
_SPARE: Final = 64  # KiB or inodes: with fewer, a disk is full
_RECORDS: Final = 8192  # of 10 KiB, after which tar looks whether it is
_WILD: Final = re.compile(r"[*?\[{]")

# Where a server has a single id, all files are its user's: an owner is looked up, and no more.
_SCRIPT: Final = r"""
set -o pipefail
own() {{
    if [ "$(id -u)" = 0 ]; then chown "$1" "$owner" "$2"; return; fi
    getent passwd "${{owner%%:*}}" > /dev/null || {{ echo "invalid user: $owner" >&2; return 1; }}
}}
scratch={scratch} source={source} target={target} owner={owner} mode={mode} workdir={workdir}
# A bomb is unpacked to its last byte, though nothing of it can be kept: tar goes on after an error.
guard='for kind in -Pk -Pi; do
    set -- $(df $kind /tmp 2>/dev/null | tail -n 1)
    case "$4" in ""|*[!0-9]*) continue ;; esac
    [ "$4" -ge {spare} ] || kill "$PPID"
done'
stop() {{  # tar tells how much it wrote, and not why no more
    set -- $(df -Pk /tmp 2>/dev/null | tail -n 1)
    [ "${{4:-{spare}}}" -ge {spare} ] || echo "No space left on device: $2 KiB are used" >&2
    exit 1
}}
trap 'rm -rf "$scratch" "$scratch.tar"' EXIT
mkdir -p "$scratch" && tar -xf "$scratch.tar" -C "$scratch" --no-same-owner \
    --checkpoint={records} --checkpoint-action="exec=$guard" || stop
[ -n "$workdir" ] || workdir=$(getent passwd {user} | cut -d: -f6)
cd "$workdir" || exit 1
case "$target" in /*) ;; *) target="$PWD/$target" ;; esac
entry="$scratch/$source"
entry="${{entry%/}}"
if [ ! -e "$entry" ] && [ ! -L "$entry" ]; then
    echo "source path does not exist: $source" >&2; exit 1
fi
if [ -d "$entry" ] && [ ! -L "$entry" ]; then
    own -R "$entry" || exit 1
    [ -z "$mode" ] || chmod -R "$mode" "$entry" || exit 1
    mkdir -p "$target" || exit 1
    (cd "$entry" && tar -cSf - .) |
        tar -xpf - -C "$target" --keep-directory-symlink --no-overwrite-dir \
            --checkpoint={records} --checkpoint-action="exec=$guard" || stop
    chmod -R u+rwx "$entry"
else
    own -h "$entry" || exit 1
    [ -z "$mode" ] || [ -L "$entry" ] || chmod "$mode" "$entry" || exit 1
    case "$target" in
        */) mkdir -p "$target" ;;
        *) mkdir -p "$(dirname "$target")" ;;
    esac || exit 1
    mv -f "$entry" "$target" || exit 1
fi
"""


async def copy(
    guest: GuestClient, archive: Path, args: list[str], context: StepContext, timeout_s: float
) -> None:
    """Carry out a COPY step.

    Args:
        guest: of the sandbox.
        archive: a tar file, compressed or not.
        args: source, target, perhaps an owner, perhaps a mode.
        context: of the step.
        timeout_s: for unpacking.

    Raises:
        ProgramFailedError: it could not be unpacked, or is not what the step names.
    """
    scratch = f"/tmp/.capibara6-copy-{secrets.token_hex(8)}"  # noqa: S108 - inside the sandbox
    await _send(guest, archive, f"{scratch}.tar")
    errors: list[str] = []

    def hear(stream: str, line: str) -> None:
        if stream == "stderr" and len(errors) < 20:
            errors.append(line)

    script = _script(scratch, args, context)
    try:
        await run(guest, Program(script, "root", "/", {}, timeout_s), hear)
    except ProgramFailedError as cause:
        why = "; ".join(errors) or str(cause)
        raise ProgramFailedError(f"failed to move files in sandbox: {why}") from None


def _script(scratch: str, args: list[str], context: StepContext) -> str:
    owner = args[2] if len(args) > 2 and args[2] else context.user
    words = {
        "scratch": scratch,
        "source": _fixed_part(args[0]),
        "target": args[1],
        "owner": owner if ":" in owner else f"{owner}:{owner}",
        "mode": args[3] if len(args) > 3 else "",
        "workdir": context.workdir,
        "user": context.user,
    }
    quoted = {name: shlex.quote(word) for name, word in words.items()}
    return _SCRIPT.format(**quoted, spare=_SPARE, records=_RECORDS)


def _fixed_part(source: str) -> str:
    """Return a path up to its first pattern; the client has already chosen what matches."""
    parts = []
    for part in source.split("/"):
        if _WILD.search(part):
            break
        parts.append(part)
    return "/".join(parts)


async def _send(guest: GuestClient, archive: Path, path: str) -> None:
    try:
        async with guest.call("files.write", user="root", path=path, metadata={}) as call:
            with archive.open("rb") as file, contextlib.suppress(GuestLostError):
                # A refusal closes the call early; what it was, the events say.
                while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                    await call.send_data(piece)
            await call.end_data()
            async for _ in call.events():
                pass
    except (CallError, GuestLostError) as cause:
        text = f"failed to copy layer tar data to sandbox: {cause}"
        raise ProgramFailedError(text) from None
