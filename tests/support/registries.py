"""Stands for Docker Hub, and for registries of Google's and Amazon's, on loopback."""

import base64
import contextlib
import json
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.images import PASSWORD, USER, entry, layer, registry, system_layer, write_image

# What the SDKs call the images of `from_*_image`, without the registry.
OFFICIAL = (
    "library/alpine:3", "library/archlinux:latest", "library/debian:stable",
    "library/fedora:44", "library/node:lts", "library/python:3", "library/ubuntu:latest",
    "oven/bun:latest",
)  # fmt: skip
# Stands for Bun in its image: what it does is no matter of the server's, that it is asked is.
_BUN = b"#!/bin/sh\necho bun was asked: $*\n"


@dataclass
class DockerHub:
    """What a server has to be told, and what was pushed."""

    options: tuple[str, ...]
    environment: dict[str, str]
    private: str  # an image that takes a password, or Google's key
    tokens_asked: list[dict[str, str]] = field(default_factory=list)  # of Amazon: headers


@contextlib.contextmanager
def docker_hub() -> Iterator[DockerHub]:
    """Run the registries; every official image tells its name in a variable."""
    with (
        registry() as public,
        registry(private=True) as private,
        tempfile.TemporaryDirectory() as place,
        _amazon() as (amazon, asked),
    ):
        folder = Path(place)
        folder.chmod(0o755)  # skopeo reads the settings as nobody
        layers = [system_layer(), layer([(entry("usr/local/bin/bun"), _BUN)])]
        for number, name in enumerate(OFFICIAL):
            image = folder / f"image-{number}"
            write_image(image, layers, [f"IMAGE={name}", "PATH=/usr/local/bin:/usr/bin:/bin"])
            public.push(image, name)
        settings = folder / "registries.conf"
        settings.write_text(
            '[[registry]]\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{public.address}"\ninsecure = true\n'
        )
        yield DockerHub(
            ("--insecure-registry", private.address),
            {"CONTAINERS_REGISTRIES_CONF": str(settings), "AWS_ENDPOINT_URL_ECR": amazon},
            private.push(folder / "image-0", "team/image:1"),
            asked,
        )


@contextlib.contextmanager
def _amazon() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Give an address that hands out the private registry's password, and what it was asked."""
    asked: list[dict[str, str]] = []

    class Tokens(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({name.lower(): value for name, value in self.headers.items()})
            refused = "AKIAREFUSED" in self.headers["Authorization"]
            token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            told: dict[str, Any] = {"authorizationData": [{"authorizationToken": token}]}
            if refused:
                text = "The security token included in the request is invalid."
                told = {"__type": "UnrecognizedClientException", "message": text}
            body = json.dumps(told).encode()
            self.send_response(400 if refused else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        finally:
            server.shutdown()
