"""The configuration of a local Asterisk: templates are filled, other files are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import (
    AsteriskSettings,
    Installation,
    LocalAsterisk,
)

INSTALLATION = Installation(("asterisk",), Path("/m"), Path("/d"), "Asterisk 22")
SETTINGS = AsteriskSettings(5138, 5160, range(20000, 20100), "ami-word", "sip-word")


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    folder = tmp_path / "configuration"
    folder.mkdir()
    return folder


def written(
    tmp_path: Path, configuration: Path, files: dict[str, str] | None = None
) -> Path:
    """The folder that Asterisk would read."""
    part = LocalAsterisk(
        INSTALLATION,
        tmp_path / "home",
        configuration,
        settings=SETTINGS,
        files=files,
    )
    part.write_configuration()
    return tmp_path / "home" / "etc"


def test_every_marker_of_a_template_is_filled(
    tmp_path: Path, configuration: Path
) -> None:
    markers = "@AMI_PORT@ @SIP_PORT@ @RTP_START@-@RTP_END@ @AMI_SECRET@ @SIP_SECRET@"
    (configuration / "all.conf.in").write_text(markers)
    text = (written(tmp_path, configuration) / "all.conf").read_text()
    assert text == "5138 5160 20000-20099 ami-word sip-word"


def test_plain_file_is_copied_as_it_is(tmp_path: Path, configuration: Path) -> None:
    (configuration / "plain.conf").write_text("mail = a@AMI_PORT@b\n")
    text = (written(tmp_path, configuration) / "plain.conf").read_text()
    assert text == "mail = a@AMI_PORT@b\n"


def test_given_file_takes_the_place_of_the_template(
    tmp_path: Path, configuration: Path
) -> None:
    (configuration / "rtp.conf.in").write_text("rtpstart = @RTP_START@")
    etc = written(tmp_path, configuration, {"rtp.conf": "rtpend = @RTP_END@"})
    assert (etc / "rtp.conf").read_text() == "rtpend = 20099"


def test_what_is_no_configuration_stays_out(
    tmp_path: Path, configuration: Path
) -> None:
    (configuration / "README.md").write_text("text")
    assert [path.name for path in written(tmp_path, configuration).iterdir()] == [
        "asterisk.conf"
    ]


def test_files_with_secrets_are_closed_to_others(
    tmp_path: Path, configuration: Path
) -> None:
    (configuration / "manager.conf.in").write_text("secret = @AMI_SECRET@")
    etc = written(tmp_path, configuration)
    assert (etc / "manager.conf").stat().st_mode & 0o077 == 0
    assert etc.stat().st_mode & 0o077 == 0


def test_secrets_are_not_shown() -> None:
    assert "word" not in repr(SETTINGS)


def test_only_modules_and_data_lie_outside_its_own_folder(
    tmp_path: Path, configuration: Path
) -> None:
    text = (written(tmp_path, configuration) / "asterisk.conf").read_text()
    folders = [line.split(" => ") for line in text.splitlines() if " => " in line]
    outside = {key for key, path in folders if not path.startswith(str(tmp_path))}
    assert outside == {"astmoddir", "astdatadir", "astagidir"}
