"""Measures what rules for requests cost: HTTPS to a server on loopback, with a rule and without.

    sudo python bench/network_rules.py [--megabytes 200]

Nothing is asserted. Ports 80 and 443 are needed, and so root.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from e2b import Sandbox

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.real_servers import HOST, LOCAL, internet, made, rules
from support.sandbox_server import SandboxServer

WAYS: dict[str, dict[str, Any]] = {"without": {}, "with a rule": rules()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    megabytes = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder, internet(Path(folder)) as server:
        for way, network in WAYS.items():
            print(f"{way:>12}: create {create_ms(server, network):6.1f} ms", end="  ")
            with made(server, network) as sandbox:
                print(f"request {request_ms(sandbox):6.2f} ms", end="  ")
                print(f"upload {upload_mb_s(sandbox, megabytes):6.0f} MB/s")


def create_ms(server: SandboxServer, network: dict[str, Any]) -> float:
    taken = []
    for _ in range(7):
        begun = time.perf_counter()
        sandbox = Sandbox.create(network={**LOCAL, **network}, **server.sdk)  # type: ignore[arg-type]
        taken.append((time.perf_counter() - begun) * 1e3)
        sandbox.kill()
    return statistics.median(taken)


def request_ms(sandbox: Sandbox) -> float:
    """The median of whole requests, each on a connection of its own."""
    ask = f"curl -sSk -o /dev/null -w '%{{time_total}}\\n' https://{HOST}/"
    shown = sandbox.commands.run(f"for n in $(seq 40); do {ask}; done").stdout
    return statistics.median(float(line) * 1e3 for line in shown.split()[5:])


def upload_mb_s(sandbox: Sandbox, megabytes: int) -> float:
    make = f"head -c {megabytes}M /dev/zero > /tmp/body"
    send = f"curl -sSk -o /dev/null -w '%{{speed_upload}}' -T /tmp/body https://{HOST}/"
    return float(sandbox.commands.run(f"{make}; {send}").stdout) / 1e6


if __name__ == "__main__":
    main()
