"""Ask both HTTP faces what their OpenAPI descriptions allow and forbid, with schemathesis.

The platform is asked by the description that it publishes itself; the sandbox server by E2B's, from
a checkout of https://github.com/e2b-dev/E2B (--e2b), which is not part of this repository. A reply
5xx is a finding, but for 501, 503 and 507, which say what is missing; so is a reply of another form
than the platform promises.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEY = "k" * 24


def main() -> int:
    """Fuzz both; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="of each operation")
    parser.add_argument("--e2b", type=Path, help="E2B's repository; without it, the platform alone")
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    failed = [_fuzz_platform(arguments.examples)]
    if arguments.e2b is not None:
        failed.append(_fuzz_sandbox_server(arguments.e2b / "spec/openapi.yml", arguments.examples))
    return 1 if any(failed) else 0


def _fuzz_platform(examples: int) -> bool:
    from support.platform_process import Installation

    os.environ["CAPIBARA6_API_KEYS"] = KEY
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder, "home"))
        try:
            with installation.serving() as url:
                return _run(
                    f"{url}/openapi.json", url, KEY, examples, ["response_schema_conformance"]
                )
        finally:
            installation.stop_server()


def _fuzz_sandbox_server(description: Path, examples: int) -> bool:
    with _sandbox_server() as (url, key):
        return _run(str(description), url, key, examples, [])


@contextmanager
def _sandbox_server() -> Iterator[tuple[str, str]]:
    from support.sandbox_server import SandboxServer

    server = SandboxServer(("--pool", "1", "--max-sandboxes", "20")).start()
    try:
        yield server.url, server.key
    finally:
        server.stop()


def _run(description: str, url: str, key: str, examples: int, checks: list[str]) -> bool:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", description,
        "--url", url, "--header", f"X-API-KEY: {key}", "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(examples), "--request-timeout", "60", "--continue-on-failure",
        "--checks", ",".join(["not_a_server_error", *checks]),
    ]  # fmt: skip
    return subprocess.run(command, check=False).returncode != 0


if __name__ == "__main__":
    sys.exit(main())
