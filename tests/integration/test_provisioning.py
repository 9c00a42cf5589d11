"""The provisioning scripts do nothing twice, and say in one sentence what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from skypechan.desktop.users import workspace

CHECKOUT = Path(__file__).parents[2]
# What a machine has at the least; apt-get is there, mmdebstrap is not.
ESSENTIAL = (
    "sh dirname mkdir rm cat sed grep head tail cut tr id apt-get apt-config env"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace() as path:
        path.chmod(0o755)
        yield path


@pytest.fixture
def bare_path(folder: Path) -> str:
    """A PATH with the essential programs only."""
    programs = folder / "bin"
    programs.mkdir()
    for name in (*ESSENTIAL.split(), "sha256sum", "flock", "dpkg"):
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)
    return str(programs)


def run(
    script: str, *arguments: object, as_nobody: bool = False, **environment: str
) -> tuple[int, list[str]]:
    """Exit status of a script, and its lines on standard error."""
    switch = ("setpriv", "--reuid=nobody", "--clear-groups") if as_nobody else ()
    done = subprocess.run(
        [*switch, "/bin/sh", str(CHECKOUT / "docker" / script), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_asterisk_that_is_there_is_left_alone(folder: Path) -> None:
    root = folder / "root"
    root.mkdir()
    (root / "VERSION").write_text("Asterisk 22\n")
    assert run("asterisk-root/build.sh", root, PATH="/bin:/usr/bin") == (0, [])


def test_missing_mmdebstrap_is_named(folder: Path, bare_path: str) -> None:
    status, lines = run("asterisk-root/build.sh", folder / "root", PATH=bare_path)
    assert status == 1
    assert len(lines) == 1
    assert "apt-get install mmdebstrap" in lines[0]


def test_no_network_is_said(folder: Path) -> None:
    # Nobody listens on the discard port.
    source = "deb http://127.0.0.1:9/debian sid main"
    status, lines = run(
        "asterisk-root/build.sh", folder / "root", ASTERISK_SOURCE=source
    )
    assert status == 1
    assert "check the network and proxy" in lines[-1]
    assert not (folder / "root").exists()


def test_suite_without_an_installable_asterisk_is_said(folder: Path) -> None:
    archive = folder / "archive"
    archive.mkdir()
    (archive / "Packages").touch()
    source = f"deb [trusted=yes] copy:{archive} ./"
    status, lines = run(
        "asterisk-root/build.sh", folder / "root", ASTERISK_SOURCE=source
    )
    assert status == 1
    assert "cannot install asterisk at the moment" in lines[-1]
    assert "ASTERISK=system" in lines[-1]


def test_failed_rebuild_keeps_the_old_asterisk(folder: Path) -> None:
    root = folder / "root"
    root.mkdir()
    (root / "VERSION").write_text("Asterisk 22\n")
    source = "deb http://127.0.0.1:9/debian sid main"
    status, _ = run("asterisk-root/build.sh", "--rebuild", root, ASTERISK_SOURCE=source)
    assert status == 1
    assert (root / "VERSION").read_text() == "Asterisk 22\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_no_right_to_write_is_said(folder: Path) -> None:
    _, help_lines = run("asterisk-root/build.sh", "--help", as_nobody=True)
    # A shell that cannot read the script ends with status 2, too.
    if not help_lines[0].startswith("usage:"):
        pytest.skip("this checkout is closed to other users")
    folder.chmod(0o755)
    status, lines = run("asterisk-root/build.sh", folder / "root", as_nobody=True)
    assert status == 1
    assert len(lines) == 1
    assert "no right to write" in lines[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root has every right")
def test_no_right_to_install_packages_is_said(folder: Path, bare_path: str) -> None:
    status, lines = run("bootstrap.sh", "system", PATH=bare_path)
    assert status == 1
    assert "no right to install packages" in lines[-1]


def test_unknown_option_is_a_usage_error(folder: Path) -> None:
    status, lines = run("asterisk-root/build.sh", "--what", folder / "root")
    assert status == 2
    assert lines[0].startswith("usage:")
