"""What the profile of a client says from its first start: nobody sits in front of it.

The client keeps its settings in `config.xml` of the account's folder in its profile,
which `--dbpath` names. Those of video and of updates, and the names of the sound
devices' settings, are as a profile of 2011 had them that served a telephone gateway.
Guesses: the name of the setting for events, and that ALSA's own name for its default
device is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final
from xml.etree import ElementTree as ET

_FILE: Final = "config.xml"
_USUAL_PROFILE: Final = ".Skype"
_OPTION: Final = "--dbpath"
_SETTINGS: Final = {
    # No window and no sound tells of events: it would cover what matters.
    "UI/Notify/Disable": "1",
    "UI/AutoUpdate": "0",
    "Lib/Video/Disable": "1",
    "Lib/Video/AdvertPolicy": "noone",
    "Lib/Video/RecvPolicy": "noone",
    # The system's device, which a machine without a sound card names in asound.conf.
    "UI/SoundDevice": "default",
    "UI/CaptureDevice": "default",
    "UI/RingDevice": "default",
}


def seeds(command: Sequence[str], account: str, login: str) -> Mapping[str, str]:
    """Return the files of a new profile: paths below HOME, and what is in them.

    The account is that of the line or else the first word of the login. None where
    it is not known, or where the profile is elsewhere.
    """
    name = account or login.partition(" ")[0]
    path = PurePosixPath(_profile(command), name, _FILE)
    if not name or "/" in name or path.is_absolute() or ".." in path.parts:
        return {}
    return {str(path): _written(_SETTINGS)}


def _profile(command: Sequence[str]) -> str:
    for word, following in zip(command, (*command[1:], ""), strict=True):
        if word.startswith(f"{_OPTION}="):
            return word.partition("=")[2]
        if word == _OPTION:
            return following
    return _USUAL_PROFILE


def _written(settings: Mapping[str, str]) -> str:
    tree = ET.Element("config", version="1.0", serial="1")
    for path, value in settings.items():
        place = tree
        for name in path.split("/"):
            found = place.find(name)
            place = ET.SubElement(place, name) if found is None else found
        place.text = value
    ET.indent(tree)
    return ET.tostring(tree, "unicode", xml_declaration=True)
