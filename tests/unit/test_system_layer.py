"""The host's system as builds see it: its directories and packages, and none of its secrets."""

import json
import os
from pathlib import Path

import pytest

from capibara6_sandbox.host.builds.system import System
from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.catalog import BASE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A small Debian."""
    root = tmp_path / "host"
    for folder in ("usr/bin", "usr/lib/a/b", "usr/sbin", "usr/closed/inside", "etc/apt/keyrings"):
        (root / folder).mkdir(parents=True)
    (root / "usr/closed").chmod(0o700)
    (root / "usr/link").symlink_to("/etc")
    masters = root / "usr/share/base-passwd"
    masters.mkdir(parents=True)
    (masters / "passwd.master").write_text("root:*:0:0::/root:/bin/sh\nmail:*:8:8::/:/bin/sh\n")
    (masters / "group.master").write_text("mail:*:8:\n")
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text("Package: a\n")
    (root / "var/lib/dpkg/lock").write_text("")
    (root / "var/lib/dpkg/statoverride").write_text("root mail 02755 /a\nroot acme 0750 /b\n")
    (root / "etc/apt/sources.list").write_text("deb https://user:pw@archive.example/ stable main")
    (root / "etc/apt/auth.conf").write_text("machine archive.example password pw")
    (root / "etc/apt/keyrings/a.gpg").write_text("key")
    (root / "etc/passwd").write_text("alice:x:1001:1001::/home/alice:/bin/sh\n")
    return root


@pytest.fixture
def built(tmp_path: Path) -> BuiltEnvironment:
    folder = tmp_path / "base-1"
    (folder / "rootfs/opt/venv/lib").mkdir(parents=True)
    (folder / "rootfs/etc/alternatives").mkdir(parents=True)
    (folder / "rootfs/opt/capibara6").mkdir()
    passwd = "root:x:0:0::/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n"
    owned = [
        ["etc", 0o755, "root", None],
        ["etc/passwd", 0o644, "root", passwd],
        ["etc/group", 0o644, "root", "root:x:0:\n"],
        ["var", 0o755, "root", None],
        ["home", 0o755, "root", None],
        ["home/user", 0o755, "user", None],
    ]
    (folder / "owned.json").write_text(json.dumps(owned))
    return BuiltEnvironment(BASE, folder, "")


def filled(system: System, tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    system.fill(tree)
    return tree


def test_directories_are_root_s_and_files_of_the_host_stay_away(
    host: Path, built: BuiltEnvironment, tmp_path: Path
) -> None:
    tree = filled(System(built, root=host), tmp_path)
    usr = {str(path.relative_to(tree / "usr")) for path in (tree / "usr").rglob("*")}
    made = {"sbin/policy-rc.d", "lib/capibara6", "lib/capibara6/adopt"}
    assert usr - made == {"bin", "lib", "lib/a", "lib/a/b", "sbin", "share", "share/base-passwd"}
    assert (tree / "opt/venv/lib").stat().st_uid == 1000
    assert (tree / "home/user").stat().st_uid == 1000
    assert (tree / "etc/alternatives").stat().st_uid == 0
    assert not (tree / "opt/capibara6").exists()


def test_packages_are_known_and_accounts_and_passwords_are_not(
    host: Path, built: BuiltEnvironment, tmp_path: Path
) -> None:
    tree = filled(System(built, root=host), tmp_path)
    assert (tree / "var/lib/dpkg/status").read_text() == "Package: a\n"
    assert not (tree / "var/lib/dpkg/lock").exists()
    assert (tree / "var/lib/dpkg/statoverride").read_text() == "root mail 02755 /a\n"
    names = [line.split(":")[0] for line in (tree / "etc/passwd").read_text().splitlines()]
    assert names == ["root", "user", "mail"]
    there = {path.name for path in (tree / "etc/apt").rglob("*") if path.is_file()}
    assert there == {"a.gpg", "00capibara6"}


def test_settings_that_the_server_was_given_come_as_they_are(
    host: Path, built: BuiltEnvironment, tmp_path: Path
) -> None:
    given = System(built, apt=host / "etc/apt", root=host)
    tree = filled(given, tmp_path)
    assert "user:pw@" in (tree / "etc/apt/sources.list").read_text()
    assert given.family != System(built, root=host).family


def test_what_changes_on_the_host_makes_another_layer(host: Path, built: BuiltEnvironment) -> None:
    system = System(built, root=host)
    before = system.version
    assert before == system.version
    (host / "var/lib/dpkg/status").write_text("Package: a\n\nPackage: b\n")
    assert system.version != before


def test_what_one_package_hoards_for_itself_is_left_out(
    host: Path, built: BuiltEnvironment, tmp_path: Path
) -> None:
    for number in range(310):
        (host / f"usr/lib/sdk/{number}").mkdir(parents=True)
    files = [f"/usr/lib/sdk/{number}" for number in range(310)]
    (host / "var/lib/dpkg/info/sdk.list").write_text(
        "\n".join(["/usr/lib/sdk", "/usr/lib/a", *files])
    )
    (host / "var/lib/dpkg/info/a.list").write_text("/usr/lib/a\n/usr/lib/a/b\n")
    tree = filled(System(built, root=host), tmp_path)
    assert not (tree / "usr/lib/sdk").exists()
    assert (tree / "usr/lib/a/b").is_dir()


def test_a_host_without_dpkg_gets_directories_only(
    host: Path, built: BuiltEnvironment, tmp_path: Path
) -> None:
    (host / "var/lib/dpkg").rename(host / "elsewhere")
    tree = filled(System(built, root=host), tmp_path)
    assert (tree / "usr/bin").is_dir()
    assert not (tree / "var/lib/dpkg").exists()
    assert not (tree / "etc/apt").exists()
