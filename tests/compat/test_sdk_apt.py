"""Packages of the system in builds from this server's own templates, through the published SDK.

The packages are made here, and so is the archive that apt gets them from.
"""

import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from e2b import Sandbox, Template
from e2b.exceptions import BuildException
from e2b_code_interpreter import Sandbox as CodeSandbox

from support.sandbox_server import SandboxServer

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="builds change /usr where root serves")
INSTALLED = "ncurses-bin"  # on every Debian, and harmless to replace


@pytest.fixture
def name() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder that holds an archive of packages, in a context for COPY."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs Debian's dpkg")
    folder = tmp_path / "context/archive"
    folder.mkdir(parents=True)
    return folder


def add_package(archive: Path, name: str, files: dict[str, str], more: str = "") -> None:
    """Make a package of a very new version, and add it to the archive's list."""
    tree = archive.parent.parent / f"{name}-tree"
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o4755 if "setuid" in path else 0o755)
    control = f"Package: {name}\nVersion: 99:1\nArchitecture: all\nMaintainer: nobody\n{more}"
    control += "Description: made for a test\n"
    (tree / "DEBIAN/control").write_text(control)
    package = archive / f"{name}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", tree, package],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    data = package.read_bytes()
    with (archive / "Packages").open("a") as index:
        index.write(f"{control}Filename: ./{name}.deb\nSize: {len(data)}\n")
        index.write(f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")


def install(archive: Path, base: str, package: str) -> object:
    """Return a template that gets a package from the archive alone."""
    source = "deb [trusted=yes] file:/archive ./"
    return (
        Template(file_context_path=str(archive.parent))
        .from_template(base)
        .copy("archive", "/archive")
        .run_cmd(
            ["rm -rf /etc/apt/sources.list*", f"echo '{source}' > /etc/apt/sources.list"],
            user="root",
        )
        .apt_install(package)
    )


@needs_root
def test_apt_installs_what_is_not_there_and_runs_its_scripts(
    sandbox_server: SandboxServer, name: str, archive: Path
) -> None:
    script = "#!/bin/sh\nset -e\ngroupadd --system tiny\nchown root:tiny /usr/bin/tiny\n"
    add_package(
        archive,
        "tiny",
        {
            "usr/bin/tiny": "#!/bin/sh\necho tiny runs",
            "usr/lib/tiny/setuid": "",
            "etc/tiny.conf": "a setting\n",
            "DEBIAN/postinst": f"{script}update-alternatives --install /usr/bin/small small "
            "/usr/bin/tiny 1\ninvoke-rc.d cron start || true\n",
        },
    )
    template = install(archive, "code-interpreter-v1", "tiny")
    Template.build(template, name, **sandbox_server.sdk)  # type: ignore[arg-type]
    sandbox = CodeSandbox.create(name, **sandbox_server.sdk)
    try:
        run = sandbox.commands.run
        assert run("small; cat /etc/tiny.conf").stdout == "tiny runs\na setting\n"
        assert run("stat -c '%U %G' /usr/bin/tiny").stdout == "root tiny\n"
        assert run("dpkg-query -W -f '${Status}' tiny").stdout == "install ok installed"
        assert sandbox.run_code("!tiny").logs.stdout[0].strip() == "tiny runs"
        with pytest.raises(Exception, match="denied"):
            run("touch /usr/bin/mine")
        assert run("sudo whoami").stdout == "root\n"
        run("touch /usr/bin/mine && apt-get remove -qq -y tiny && ! small", user="root")
    finally:
        sandbox.kill()
    assert not Path("/usr/bin/tiny").exists()


@needs_root
def test_apt_replaces_what_the_host_has_only_in_the_sandbox(
    sandbox_server: SandboxServer, name: str, archive: Path
) -> None:
    program = Path("/usr/bin/tput")
    if not program.exists():
        pytest.skip(f"needs {INSTALLED}")
    before = program.read_bytes()
    text = "#!/bin/sh\necho replaced"
    add_package(archive, INSTALLED, {"usr/bin/tput": text, "DEBIAN/keep": ""}, "Essential: yes\n")
    template = install(archive, "base", INSTALLED)
    Template.build(template, name, **sandbox_server.sdk)  # type: ignore[arg-type]
    for template_name, said in ((name, "replaced\n"), ("base", "")):
        sandbox = Sandbox.create(template_name, **sandbox_server.sdk)
        try:
            assert sandbox.commands.run("tput || true").stdout == said
            infocmp = sandbox.commands.run("ls /usr/bin/infocmp || true").stdout
            assert bool(infocmp) == (template_name == "base")  # which the new version has not
        finally:
            sandbox.kill()
    assert program.read_bytes() == before


@needs_root
def test_steps_of_root_change_usr_and_later_steps_see_it(
    sandbox_server: SandboxServer, name: str
) -> None:
    template = (
        Template()
        .from_base_image()
        .run_cmd("printf '#!/bin/sh\\necho found' > /usr/local/bin/own-program", user="root")
        .run_cmd("chmod +x /usr/local/bin/own-program && rm /usr/bin/cal*", user="root")
        .run_cmd("own-program > ~/said")
    )
    Template.build(template, name, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, **sandbox_server.sdk)
    try:
        assert sandbox.files.read("said") == "found\n"
        sandbox.commands.run("rm /usr/local/bin/own-program; mkdir /usr/mine", user="root")
        sandbox.pause(mode="filesystem")
        again = sandbox.connect()
        assert again.commands.run("ls -d /usr/mine /usr/local/bin/own-program || true").stdout == (
            "/usr/mine\n"
        )
    finally:
        sandbox.kill()
    assert not Path("/usr/local/bin/own-program").exists()


@needs_root
def test_settings_of_apt_are_the_servers_and_hold_no_password(tmp_path: Path) -> None:
    from support.sandbox_server import data_folder

    own = tmp_path / "apt"
    (own / "apt.conf.d").mkdir(parents=True)
    (own / "apt.conf.d/proxy").write_text('Acquire::http::Proxy "http://proxy.invalid:3128";\n')
    (own / "sources.list").write_text("deb http://archive.invalid/debian stable main\n")
    data = str(data_folder(tmp_path))
    server = SandboxServer(("--data", data, "--apt-config", str(own), "--pool", "0")).start()
    try:
        template = Template().from_base_image().run_cmd("apt-config dump | grep Proxy > ~/proxy")
        Template.build(template, "own-apt", **server.sdk)
        sandbox = Sandbox.create("own-apt", **server.sdk)
        assert "proxy.invalid:3128" in sandbox.files.read("proxy")
        with pytest.raises(BuildException, match="failed to run command 'apt-get update"):
            Template.build(Template().from_base_image().apt_install("x"), "fails", **server.sdk)
        sandbox.kill()
    finally:
        assert server.stop() == 0
