"""What the suites expect outside, on addresses of a network namespace that leads nowhere.

E2B's tests talk to public addresses and names, and fetch previews by name. So that they say the
same on every machine, these are served here: two addresses, one web site, Docker Hub's one image,
and a name server. What is tested, which traffic a sandbox may have, is the server's all the same.
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from capibara6_sandbox.host.signing import sign
from capibara6_sandbox.network import dns
from support.images import Registry, registry, system_layer, write_image

DOMAIN: Final = "e2b.test"  # of previews
NAME_SERVER: Final = "127.0.0.53"
STATUS: Final = {"1.1.1.1": 301, "8.8.8.8": 302, "142.250.0.1": 204}  # as the real ones answer
NAMES: Final = {"connectivitycheck.gstatic.com": "142.250.0.1"}
_CERTIFICATE: Final = """
[req]
prompt = no
distinguished_name = name
[name]
CN = E2B's suites
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


def enter(command: list[str]) -> int:
    """Run a command in a network and a mount namespace of its own; return its exit status.

    It is given a folder for what it makes, removed out here, where nothing is mounted in it.
    """
    with tempfile.TemporaryDirectory(prefix="e2b-suites-") as folder:
        Path(folder).chmod(0o755)  # as nobody, skopeo reads its settings there
        inside = ["unshare", "--net", "--mount", *command, "--inside", folder]
        return subprocess.run(inside, check=False).returncode


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[Path]:
    """Serve all of it; give the authority that sandboxes have to believe."""
    _ip("link", "set", "lo", "up")
    for address in STATUS:
        _ip("address", "add", f"{address}/32", "dev", "lo")
    (folder / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
    subprocess.run(["mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf"], check=True)
    names = [f"IP:{address}" for address in STATUS] + [f"DNS:{name}" for name in NAMES]
    text = _CERTIFICATE.format(names=",".join(names))
    authority = sign(text, "authority", 2)
    served = sign(text, "server", 2, authority)
    (folder / "served.pem").write_text(served.certificate + served.key)
    trusted = folder / "authority.pem"
    trusted.write_text(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "served.pem")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_name_server())
        for address in STATUS:
            stack.enter_context(_site(address, context))
        yield trusted


@contextlib.contextmanager
def docker_hub(folder: Path) -> Iterator[dict[str, str]]:
    """Hold ubuntu:22.04 in a registry of ours; give the variables that lead skopeo there.

    It is made of this machine's own programs: the tests ask for a shell and accounts.
    """
    with registry() as held, tempfile.TemporaryDirectory() as place:
        _push(held, Path(place, "image"))
        settings = folder / "registries.conf"
        settings.write_text(
            '[[registry]]\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{held.address}"\ninsecure = true\n'
        )
        settings.chmod(0o644)
        yield {"CONTAINERS_REGISTRIES_CONF": str(settings)}


def _push(held: Registry, image: Path) -> None:
    write_image(
        image, [system_layer(("gzip", "ln", "whoami"))], ["PATH=/usr/local/bin:/usr/bin:/bin"]
    )
    held.push(image, "library/ubuntu:22.04")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class _Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(STATUS[self.server.server_address[0]])
        self.send_header("Location", "https://example.test/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - a name of the base class

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        pass  # clients that are cut off are what some of the tests are about


@contextlib.contextmanager
def _site(address: str, context: ssl.SSLContext) -> Iterator[None]:
    with _Server((address, 443), _Site) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


@contextlib.contextmanager
def _name_server() -> Iterator[None]:
    """Know the names above and all previews; say of others that they are not there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((NAME_SERVER, 53))
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        yield


def _answer(server: socket.socket) -> None:
    while True:
        try:
            packet, client = server.recvfrom(4096)
            question = dns.read_question(packet)
        except dns.MalformedError:
            continue
        except OSError:
            return
        known = NAMES.get(question.name, "")
        if question.name == DOMAIN or question.name.endswith(f".{DOMAIN}"):
            known = "127.0.0.1"
        address = known if question.type == dns.TYPE_A else ""
        code = 0 if known else _NO_SUCH_NAME
        server.sendto(dns.reply(packet, question, code, address), client)


_NO_SUCH_NAME: Final = 3


def data_folder(folder: Path, built: Path, trusted: Path) -> Path:
    """Make a data folder with the built templates, whose base believes one more authority.

    The others are mounted, read-only: the folder is for removal outside of the namespace alone.
    """
    templates = folder / "templates"
    templates.mkdir(parents=True)
    for template in built.iterdir():
        ours = templates / template.name
        if template.name.startswith("base-"):
            subprocess.run(["cp", "-a", template, ours], check=True)
            bundle = ours / "rootfs/etc/ssl/certs/ca-certificates.crt"
            with bundle.open("a") as file:
                file.write(f"\n{trusted.read_text()}")
        elif not template.name.startswith("."):
            ours.mkdir()
            subprocess.run(["mount", "--bind", "-o", "ro", template, ours], check=True)
    return folder


def clean_environment() -> dict[str, str]:
    """Return our environment without what leads clients to a server, or around the namespace."""
    unwanted = re.compile(r"E2B_.*|(http|https|all|no)_proxy", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not unwanted.fullmatch(name)}
