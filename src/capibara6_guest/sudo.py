#!/opt/venv/bin/python -IS
"""What a sandbox has as `sudo`: asks the agent to run a command as root, or as another user.

No program in a sandbox gains rights by set-user-id (no_new_privs), so the real one cannot work. The
agent starts the command, with this program's standard streams, and answers how it ended; signals
are passed on. The command has no controlling terminal of its own: a shell has no job control.

Runs by itself, with the standard library only; its other end is `superuser`.
"""

import contextlib
import getopt
import json
import os
import signal
import socket
import sys
from typing import Final, NoReturn

SOCKET_NAME: Final = "\0capibara6-sudo"  # of the sandbox's network namespace
PACKET_BYTES_MAX: Final = 128 * 1024
_KEPT_VARIABLES: Final = ("PATH", "TERM", "LANG", "LC_ALL", "TZ", "DISPLAY", "COLORTERM")
_PASSED_ON: Final = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT")
_USAGE: Final = (
    "usage: sudo [-EHinSs] [-u user] [-D directory] [VAR=value] [--] command [argument …]"
)
_SHORT: Final = "bEHhiKklnPSsVvu:g:p:D:"
_LONG: Final = [
    *("background", "preserve-env", "preserve-env=", "set-home", "help", "login", "validate"),
    *("reset-timestamp", "non-interactive", "preserve-groups", "stdin", "shell", "version"),
    *("user=", "group=", "prompt=", "chdir="),
]


def main() -> NoReturn:
    """Run the command line."""
    try:
        options, words = getopt.getopt(sys.argv[1:], _SHORT, _LONG)
    except getopt.GetoptError as cause:
        _fail(f"{cause}\n{_USAGE}")
    given = {name.lstrip("-"): value for name, value in options}
    if given.keys() & {"h", "help", "V", "version"}:
        print(_USAGE)  # noqa: T201 - the program's own output
        sys.exit(0)
    variables = {}
    while words and "=" in words[0].partition("/")[0]:
        name, _, variables[name] = words.pop(0).partition("=")
    shell = bool(given.keys() & {"i", "login", "s", "shell"})
    if not words and not shell:
        if given.keys() & {"v", "validate", "k", "reset-timestamp", "K", "l"}:
            sys.exit(0)  # nothing is asked of anybody, so nothing is remembered either
        _fail(_USAGE)
    keeps = "E" in given or "preserve-env" in given
    kept = os.environ if keeps else {n: os.environ[n] for n in _KEPT_VARIABLES if n in os.environ}
    _ask(
        {
            "user": given.get("u") or given.get("user") or "root",
            "words": words,
            "shell": shell,
            "login": bool(given.keys() & {"i", "login"}),
            "cwd": given.get("D") or given.get("chdir") or _directory(),
            "env": {**kept, **variables},
            "keeps": keeps,
        }
    )


def _directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _ask(order: dict[str, object]) -> NoReturn:
    """Have the agent run the command, wait for its end and end like it."""
    packet = json.dumps(order).encode()
    if len(packet) > PACKET_BYTES_MAX:
        _fail(f"the command and its variables are {len(packet)} bytes, over {PACKET_BYTES_MAX}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as agent:
        try:
            agent.connect(SOCKET_NAME)
            socket.send_fds(agent, [packet], [0, 1, 2])
        except OSError as cause:
            _fail(f"the sandbox's agent does not take commands for other users ({cause.strerror})")
        for name in _PASSED_ON:
            number = signal.Signals[f"SIG{name}"]
            signal.signal(number, lambda number, _: _pass_on(agent, number))
        try:
            answer = agent.recv(PACKET_BYTES_MAX)
        except OSError as cause:
            _fail(f"the sandbox's agent has hung up ({cause.strerror})")
    ended = json.loads(answer) if answer else {"failed": "the sandbox's agent has gone"}
    if "failed" in ended:
        _fail(ended["failed"])
    sys.exit(ended["exit_status"])


def _pass_on(agent: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # it has just ended
        agent.send(json.dumps({"signal": number}).encode())


def _fail(message: str) -> NoReturn:
    print(f"sudo: {message}", file=sys.stderr)  # noqa: T201 - the program's own output
    sys.exit(1)


if __name__ == "__main__":
    main()
