"""Running a command as an ordinary user, from tests that run as root."""

import os
import sys
from pathlib import Path

ORDINARY_ID = 64_123  # nobody's

# In a mount namespace of its own: lets others pass a folder ($1) that is closed to them, to some
# places below it (up to "--"), and shows nothing else of it.
_OPEN = """
set -e
mount --make-rprivate /
closed=$1 aside=$(mktemp -d)
shift
mount -t tmpfs tmpfs "$aside"
for place; do
    test "$place" != -- || break
    mkdir -p "$aside$place"
    mount --bind "$place" "$aside$place"
done
mount --rbind "$aside$closed" "$closed"
chmod 755 "$closed"
umount -l "$aside"
rmdir "$aside"
while test "$1" != --; do shift; done
shift
exec "$@"
"""
# Shows templates ($1) at a place ($2) where the user may lock them: below an overlay of its own.
_SHOW = """
set -e
mount --make-rprivate /
mkdir -p "$2" "$2.upper" "$2.work"
chown "$3" "$2.upper"
mount -t overlay -o "lowerdir=$1,upperdir=$2.upper,workdir=$2.work" overlay "$2"
rm -f "$2"/.*.lock
shift 3
exec "$@"
"""


def as_ordinary_user(home: Path, *needed: Path) -> tuple[str, ...]:
    """Return the beginning of a command line that runs the rest as an ordinary user.

    Args:
        home: an empty folder that becomes the user's; it will hold the data folder too.
        needed: what the command must be able to reach, beside this Python.
    """
    built = Path(os.environ.get("CAPIBARA6_HOME") or Path.home() / ".local/share/capibara6")
    if os.geteuid() != 0:
        return ("env", f"CAPIBARA6_HOME={built}")
    os.chown(home, ORDINARY_ID, ORDINARY_ID)
    python = Path(sys.executable).resolve().parents[1]
    templates = str(built.resolve() / "templates"), str(home / "templates"), str(ORDINARY_ID)
    words = ["unshare", "--mount", "sh", "-c", _SHOW, "sh", *templates]
    for closed, places in _closed_above(python, Path(sys.prefix), *needed).items():
        words += ["unshare", "--mount", "sh", "-c", _OPEN, "sh", str(closed), *places, "--"]
    identity = f"--reuid={ORDINARY_ID}", f"--regid={ORDINARY_ID}", "--clear-groups"
    own = "-u", "XDG_RUNTIME_DIR", f"HOME={home}", f"CAPIBARA6_HOME={home}"
    return (*words, "setpriv", *identity, "env", *own)


def _closed_above(*places: Path) -> dict[Path, list[str]]:
    """Return the folders that ordinary users cannot pass, each with the places below it."""
    found: dict[Path, list[str]] = {}
    for place in places:
        closed = [folder for folder in place.parents if not folder.stat().st_mode & 0o001]
        if closed:
            found.setdefault(closed[-1], []).append(str(place))
    return found
