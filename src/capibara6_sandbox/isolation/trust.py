"""Which certificate authorities the programs of one sandbox believe. Standard library only.

A file system of its own is mounted over them, so that nothing of it is ever saved in a layer, and
no program inside can change or remove it.
"""

import errno
import os
import stat
from typing import Final

from capibara6_sandbox.isolation import linux, mounts
from capibara6_sandbox.isolation.keystore import keystore

FOLDER: Final = "/run/capibara6"
BUNDLE: Final = f"{FOLDER}/ca-certificates.crt"  # what the template brings, and the own authority
AUTHORITY: Final = f"{FOLDER}/authority.pem"
JAVA_STORE: Final = f"{FOLDER}/cacerts"  # the same as the bundle, for Java
# How programs are told, each family by another one.
VARIABLES: Final = {
    "SSL_CERT_FILE": BUNDLE,
    "CURL_CA_BUNDLE": BUNDLE,
    "REQUESTS_CA_BUNDLE": BUNDLE,
    "AWS_CA_BUNDLE": BUNDLE,
    "NODE_EXTRA_CA_CERTS": AUTHORITY,
}
# Where programs look that obey no variable; the first that is there is the template's.
_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
# Where the Java of distributions looks, which obeys no variable without saying so at each start.
_JAVA_STORES: Final = ("/etc/ssl/certs/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts")
_BUNDLE_BYTES_MAX: Final = 4 * 1024 * 1024
_OPTIONS: Final = "mode=0755,size=10m,nr_inodes=8"


def believe(certificate: str, sandbox: int, *, privileged: bool) -> None:
    """Let a sandbox's programs believe one more authority; the caller is a fork that then ends.

    Args:
        certificate: the authority's, in PEM.
        sandbox: pidfd of its first process.
        privileged: whether the sandbox has a range of ids.

    Raises:
        OSError: a mount was refused, or something stands in the way.
    """
    linux.setns(sandbox, linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    if privileged:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    found = [path for path in _SYSTEM_BUNDLES if _is_plain_file(path)]
    bundle = _read(found[0]) if found else b""
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    if os.path.realpath(FOLDER) != FOLDER:
        raise OSError(errno.ELOOP, f"{FOLDER} leads through a link")
    flags = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC
    mounts.mount("tmpfs", FOLDER, "tmpfs", flags, _OPTIONS)
    _write(AUTHORITY, certificate.encode())
    believed = bundle.rstrip() + b"\n" + certificate.encode()
    _write(BUNDLE, believed)
    java = [path for path in _JAVA_STORES if _is_plain_file(path)]
    if java:
        _write(JAVA_STORE, keystore(believed))
    mounts.set_mount_attributes(FOLDER, mounts.MOUNT_ATTR_RDONLY, recursive=False)
    for source, paths in ((BUNDLE, found), (JAVA_STORE, java)):
        for path in paths:
            mounts.mount(source, path, None, mounts.MS_BIND)


def _is_plain_file(path: str) -> bool:
    return os.path.isfile(path) and os.path.realpath(path) == path


def _read(path: str) -> bytes:
    """Read a file that a sandbox may just have replaced by a link, or by a pipe to wait at."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, f"{path} is no plain file")
        data = file.read(_BUNDLE_BYTES_MAX + 1)
    if len(data) > _BUNDLE_BYTES_MAX:
        raise OSError(errno.EFBIG, f"{path} exceeds {_BUNDLE_BYTES_MAX:,} bytes")
    return data


def _write(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
    os.chmod(path, 0o644)
