"""docker/compose.yaml as a container engine would read it, as far as we need it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCKER = Path(__file__).parents[2] / "docker"
# Debian's own interpreter, for which Debian has a YAML reader.
_READ = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"


@dataclass(frozen=True, slots=True)
class Service:
    """One service, in the words of the file (`told`)."""

    name: str
    told: Mapping[str, Any]

    @property
    def image(self) -> str:
        return str(self.told["image"])

    @property
    def command(self) -> list[str]:
        return list(self.told.get("command", ()))

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.told.get("environment", {}))

    @property
    def mounts(self) -> Iterator[tuple[str, str, str]]:
        """Yield source, target and mode of each volume; a source may be a name."""
        for text in self.told.get("volumes", ()):
            source, target, *mode = text.split(":")
            yield source, target, "".join(mode) or "rw"

    @property
    def tmpfs(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield path and options of each folder that is in memory."""
        for text in self.told.get("tmpfs", ()):
            path, _, options = text.partition(":")
            yield path, dict(option.split("=") for option in options.split(","))


def composed(environment: Mapping[str, str]) -> dict[str, Service] | None:
    """Return the services by name; None where nothing can read YAML."""
    python = shutil.which("python3", path="/usr/bin")
    if python is None:
        return None
    read = subprocess.run(
        [python, "-c", _READ],
        input=_filled((DOCKER / "compose.yaml").read_text(), environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if read.returncode:
        return None
    services = json.loads(read.stdout)["services"]
    return {name: Service(name, told) for name, told in services.items()}


def _filled(text: str, environment: Mapping[str, str]) -> str:
    """Replace each `${NAME:?}`. Raises KeyError for what is not set."""
    return re.sub(r"\$\{(\w+):\?\}", lambda found: environment[found[1]], text)
