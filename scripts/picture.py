"""Draws docs/images/run.svg from a real run: python scripts/picture.py.

The run's own output, in its own colours; only the middle of the program is left out, and says so.
"""

import io
import itertools
import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS = 104
PROGRAM_LINES = 12
SPINNER = re.compile(r"[\u2800-\u28ff]")  # frames of what moves while one waits


def main() -> None:
    """Run the command on a terminal of its own and draw what it shows."""
    os.chdir(ROOT)
    question, data = asked()
    os.environ |= {"COLUMNS": str(COLUMNS), "LINES": "200", "TERM": "xterm-256color"}
    os.environ |= {"PYTHONPATH": "src", "LANG": "C.UTF-8"}
    shown = record([sys.executable, "-m", "capibara6", "ask", question, "--data", data])
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.assemble(("$ ", "bold green"), f'capibara6 ask "{question}" --data {data}'))
    for line in shorten(shown):
        console.print(Text.from_ansi(line), soft_wrap=False, overflow="ellipsis", no_wrap=True)
    target = ROOT / "docs/images/run.svg"
    drawn = console.export_svg(title="capibara6", unique_id="run")
    # Rich fetches its font from elsewhere; the reader's own will do.
    target.write_text(
        re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8"
    )


def asked() -> list[str]:
    """Return the question that `make run` asks, and the file."""
    makefile = (ROOT / "Makefile").read_text()
    return [re.search(rf"^{name} \?= (.+)$", makefile, re.M)[1] for name in ("QUESTION", "DATA")]


def record(command: list[str]) -> list[str]:
    """Return what the command shows on a terminal, line by line."""
    chunks: list[bytes] = []

    def read(fd: int) -> bytes:
        chunks.append(os.read(fd, 4096))
        return chunks[-1]

    status = pty.spawn(command, read)
    if status:
        sys.exit(f"the run failed ({status})")
    text = b"".join(chunks).decode().replace("\r\n", "\n")
    lines = [line.rpartition("\r")[2] for line in text.splitlines()]
    kept = [line for line in lines if not SPINNER.search(line)]
    # What moved while the server started was wiped away again; a picture would keep it.
    return list(itertools.dropwhile(lambda line: "Route" not in line, kept))


def shorten(lines: list[str]) -> list[str]:
    """Leave out the middle of the program, and paths of this machine."""
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines]
    start = next(n for n, line in enumerate(plain) if line.startswith("Program"))
    end = next(n for n, line in enumerate(plain) if line.startswith("Output"))
    hidden = end - start - PROGRAM_LINES
    kept = [*lines[: start + PROGRAM_LINES], f"\x1b[2m  ⋮ {hidden} lines, left out here\x1b[0m", ""]
    home = re.escape(os.environ.get("CAPIBARA6_HOME", str(Path.home() / ".local/share/capibara6")))
    return [re.sub(home, "~/.local/share/capibara6", line) for line in [*kept, *lines[end:]]]


if __name__ == "__main__":
    main()
