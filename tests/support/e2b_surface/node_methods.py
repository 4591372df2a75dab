"""The public methods of the published JS SDK, read from its types; and the commands of the CLI."""

import re
import subprocess
from pathlib import Path
from typing import Final

from support.javascript import program

# The name of a group as users write it, with its declarations in the types of `e2b`.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Sandbox": ("Sandbox", "SandboxApi"),
    "Sandbox.commands": ("Commands",),
    "CommandHandle": ("CommandHandle",),
    "Sandbox.pty": ("Pty",),
    "Sandbox.files": ("Filesystem",),
    "WatchHandle": ("WatchHandle",),
    "Sandbox.git": ("Git",),
    "SandboxPaginator": ("SandboxPaginator",),
    "SnapshotPaginator": ("SnapshotPaginator",),
    "Template()": ("TemplateFromImage", "TemplateBuilder"),
    "Volume": ("Volume",),
    "Secret": ("Secret",),
    "SecretPaginator": ("SecretPaginator",),
}
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEMBER: Final = re.compile(r"^\s+(?!private|protected)(static )?(\w+)(?:<[^(]*>)?\(", re.MULTILINE)
_COMMAND: Final = re.compile(r"^  ([a-z]+)(?:\|[a-z]+)? ", re.MULTILINE)
_HELP_TIMEOUT_S: Final = 60.0
_COMMANDS_DEEP: Final = ("", "auth", "template", "sandbox", "sandbox snapshot")


def methods(packages: Path) -> set[tuple[str, str]]:
    """Return every public method of the installed JS SDK as ("js", name)."""
    modules = packages / "node_modules"
    types, own = _types(modules / "e2b"), _types(modules / "@e2b/code-interpreter")
    found = {f"Sandbox.{name}" for _, name in _members(own, "Sandbox")}
    for group, declarations in GROUPS.items():
        for declaration in declarations:
            found |= {f"{group}.{name}" for _, name in _members(types, declaration)}
    for static, name in _members(types, "TemplateBase"):
        if static:
            found.add(f"Template{'()' if name.startswith('to') else ''}.{name}")
    return {("js", name) for name in found}


def _types(package: Path) -> str:
    return _COMMENT.sub("", (package / "dist/index.d.ts").read_text())


def _members(types: str, declaration: str) -> set[tuple[bool, str]]:
    pattern = rf"^(?:declare )?(?:class|interface) {declaration}\b[^\n]*\{{\n(.*?)^\}}"
    body = re.search(pattern, types, re.DOTALL | re.MULTILINE)
    assert body, f"the types of the SDK declare no {declaration}"
    indent = min(len(line) - len(line.lstrip()) for line in body[1].splitlines() if line.strip())
    shallow = "\n".join(line for line in body[1].splitlines() if line[indent : indent + 1].strip())
    return {
        (bool(static), name) for static, name in _MEMBER.findall(shallow) if name != "constructor"
    }


def commands(packages: Path) -> set[tuple[str, str]]:
    """Return every command of the installed CLI as ("cli", "sandbox list")."""
    script = packages / "node_modules/@e2b/cli/dist/index.js"
    found = set()
    for above in _COMMANDS_DEEP:
        text = subprocess.run(
            [program("node"), str(script), *above.split(), "--help"],
            capture_output=True,
            text=True,
            timeout=_HELP_TIMEOUT_S,
            check=True,
        ).stdout
        names = _COMMAND.findall(text.partition("\nCommands:\n")[2])
        found |= {f"{above} {name}".strip() for name in names if name != "help"}
    return {("cli", name) for name in found - set(_COMMANDS_DEEP)}
