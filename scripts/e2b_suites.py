"""Runs E2B's own test suites against a server of this tree, and tells the results as a table.

    python scripts/e2b_suites.py MIRROR [--suite sdk] [-k EXPRESSION]

MIRROR is a folder with clones of e2b-dev/E2B and e2b-dev/code-interpreter. The tests run with the
published package of their version, in a network namespace that leads nowhere but to stand-ins for
the public addresses they use (tests/support/e2b_suites/outside.py); that takes root. Tests that
pass without any server are E2B's unit tests and left out. The status is 1 if a test fails that
tests/compat/e2b_suites.toml does not name; `--record` notes the figures of a whole run for
docs/E2B_COMPATIBILITY.md.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from e2b import Template, wait_for_port  # noqa: E402

from support.e2b_suites import outside, results, suites  # noqa: E402
from support.sandbox_server import SandboxServer  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "capibara6-tests/suites")
DUMMY_KEY = "e2b_" + "0" * 40
# Stands for go-httpbin, which E2B builds from a download of GitHub's: /headers as that tells them.
ECHO = """\
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {name: self.headers.get_all(name) for name in self.headers}
        body = json.dumps({"headers": told}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8080), Echo).serve_forever()
"""


def main() -> None:
    """Prepare outside of the namespace, run inside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mirror", type=Path, help="folder with clones of E2B's repositories")
    parser.add_argument("--suite", choices=[one.name for one in suites.SUITES], action="append")
    parser.add_argument("--sdk", default="", help="version of the package; default: the tests' own")
    parser.add_argument("--record", action="store_true", help="note the figures")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("-k", dest="expression", default="")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.record and arguments.expression:
        parser.error("--record notes the figures of whole runs: leave out -k")
    if os.geteuid() != 0:
        raise SystemExit("This needs root, for a network namespace with addresses of its own.")
    CACHE.mkdir(parents=True, exist_ok=True)
    chosen = [s for s in suites.SUITES if not arguments.suite or s.name in arguments.suite]
    ready = [suites.prepare(s, arguments.mirror, CACHE, arguments.sdk) for s in chosen]
    if not arguments.inside:
        sys.exit(outside.enter([sys.executable, *sys.argv]))
    sys.exit(1 if _run_all(ready, arguments) else 0)


def _run_all(ready: list[suites.Ready], arguments: argparse.Namespace) -> bool:
    """Run the suites; return whether anything failed that nobody declared."""
    failed, folder = False, arguments.inside
    with outside.outside(folder) as trusted:
        for suite in ready:
            units = _units(suite, arguments)
            with outside.docker_hub(folder) as hub:
                found = _run_live(suite, folder, trusted, units, hub, arguments)
            failed |= _tell(suite, found, record=arguments.record)
    return failed


def _run_live(
    ready: suites.Ready,
    folder: Path,
    trusted: Path,
    units: Path,
    hub: dict[str, str],
    arguments: argparse.Namespace,
) -> list[results.Result]:
    data = outside.data_folder(folder / ready.suite.name, _built_templates(), trusted)
    opened = [option for a in outside.STATUS for option in ("--network-allow", f"{a}/32")]
    options = ("--tls-port", "443", "--domain", outside.DOMAIN, "--network-host-port", "443")
    server = SandboxServer((*options, *opened, "--data", str(data)), hub).start()
    try:
        _build_echo(server)
        authority = data / "tls" / outside.DOMAIN / "authority.pem"
        environment = {**server.environ, "SSL_CERT_FILE": str(authority)}
        return _pytest(ready, "live", {**environment, "LEFT_OUT": str(units)}, arguments)
    finally:
        server.stop()
        ready.place.joinpath("server.log").write_text("".join(server.log_lines))


def _built_templates() -> Path:
    home = os.environ.get("CAPIBARA6_HOME") or Path.home() / ".local/share/capibara6"
    return Path(home, "templates")


def _build_echo(server: SandboxServer) -> None:
    recipe = Template().from_template("base").run_cmd(f"cat > echo.py <<'END'\n{ECHO}END")
    recipe = recipe.set_start_cmd("python3 echo.py", wait_for_port(8080))
    api = {"api_url": server.url, "api_key": server.key}
    Template.build(recipe, "httpbin", cpu_count=1, memory_mb=512, **api)


def _units(ready: suites.Ready, arguments: argparse.Namespace) -> Path:
    """Return a file with the tests that pass without a server."""
    kept = CACHE / f"units-{ready.suite.name}-{ready.version}-{ready.revision[:12]}.txt"
    if not kept.exists():
        whole = argparse.Namespace(workers=arguments.workers, expression="")
        found = _pytest(ready, "unit", {"E2B_API_KEY": DUMMY_KEY}, whole)
        passed = sorted(result.test for result in found if result.state == "passed")
        kept.write_text("".join(f"{test}\n" for test in passed))
    return kept


def _pytest(
    ready: suites.Ready,
    kind: str,
    environment: dict[str, str],
    arguments: argparse.Namespace,
) -> list[results.Result]:
    report = ready.place / f"{kind}.xml"
    plugin = ROOT / "tests/support/e2b_suites"
    command = [
        ready.python, "-m", "pytest", "-p", "selection", "-q", "--tb=short", "--no-header",
        "-n", arguments.workers, "--timeout", ready.suite.timeout_s, f"--junitxml={report}",
    ]  # fmt: skip
    if arguments.expression:
        command += ["-k", arguments.expression]
    paths = os.pathsep.join((str(ready.place), str(plugin)))
    clean = {**outside.clean_environment(), "PYTHONPATH": paths, **environment}
    with (ready.place / f"{kind}.log").open("wb") as log:
        words = [str(word) for word in command]
        subprocess.run(  # noqa: S603 - the developer's own choice
            words, cwd=ready.place, env=clean, stdout=log, stderr=log, check=False
        )
    if not report.exists():
        raise SystemExit(f"{ready.suite.name}: no results; see {ready.place}/{kind}.log")
    return results.read(report)


def _tell(ready: suites.Ready, found: list[results.Result], *, record: bool) -> bool:
    count, name = results.summary(found), ready.suite.name
    untold = results.untold(name, found)
    for result in found:
        if result.state != "passed":
            mark = "UNTOLD" if result in untold else "named"
            line = result.message.splitlines()[0][:160] if result.message else ""
            print(f"{mark}\t{result.state}\t{result.test}\t{line}")  # noqa: T201
    told = f"{count['passed']} of {len(found)} passed, {len(untold)} failed that no exception names"
    print(f"{name}: {ready.suite.package} {ready.version}: {told}", flush=True)  # noqa: T201
    if record:
        results.record(name, ready.suite.package, ready.version, ready.revision, count)
    return bool(untold)


if __name__ == "__main__":
    main()
