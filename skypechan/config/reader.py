"""The operator's file becomes the settings of every package.

It is a TOML file, or a `skypiax.conf` with a TOML file beside it. Every fault is found
in one reading and named with file, line and, for a name that is nearly right, what
was probably meant. The settings dataclasses declare names, types, defaults, limits
and comments; nothing is repeated here.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.call.routes import CALL_KINDS, Route, Target
from skypechan.config import skypiax
from skypechan.config.contacts import contact_uuid
from skypechan.config.environment import PREFIX, override
from skypechan.config.legacy import OldFile
from skypechan.config.tables import TableReader
from skypechan.config.values import did_you_mean
from skypechan.desktop.settings import ClientSettings
from skypechan.errors import ConfigError
from skypechan.gateway.lines import SELECTORS
from skypechan.gateway.paused import StateSettings
from skypechan.gateway.records import RecordSettings
from skypechan.gateway.settings import LineSettings
from skypechan.log import LogSettings
from skypechan.media.settings import EngineSettings
from skypechan.web.settings import ControlSettings, WebSettings

DEFAULT_FILES = (Path("skypechan.toml"), Path("/etc/skypechan/skypechan.toml"))

SECTIONS: dict[str, type] = {
    "asterisk": AsteriskSettings,
    "web": WebSettings,
    "control": ControlSettings,
    "log": LogSettings,
    "records": RecordSettings,
    "state": StateSettings,
    "media": EngineSettings,
}
"""The tables that stand once, and what their keys set."""

BACKENDS: dict[str, type | None] = {"skype": SkypeSettings, "echo": None}
"""The settings that a kind of client adds to those of every line."""

ASTERISKS = "asterisks"
"""The table of the tables of further Asterisks, each as `[asterisk]`."""

CLIENT = "client"
"""The table in a line's table that has the settings of its client."""

_ROUTE_PATTERNS = {
    "line": "line",
    "account": "account",
    "caller": "caller",
    "type": "kind",
}
_LINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True, slots=True)
class LineConfig:
    """One `[lines.NAME]` table: what every line has, and what its backend adds.

    `client` is its `[lines.NAME.client]`.
    """

    name: str
    line: LineSettings
    backend: Any
    client: ClientSettings = field(default_factory=ClientSettings)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration."""

    source: Path
    asterisk: AsteriskSettings
    web: WebSettings
    control: ControlSettings
    log: LogSettings
    records: RecordSettings
    state: StateSettings
    media: EngineSettings
    lines: tuple[LineConfig, ...]
    routes: tuple[Route, ...] = ()
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    asterisks: Mapping[str, AsteriskSettings] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def find_file(named: Path | None) -> Path:
    """Return the configuration file to read. Raises ConfigError if there is none."""
    candidates = (named,) if named else DEFAULT_FILES
    for path in candidates:
        if _is_file(path):
            return path
    if named:
        raise ConfigError(f"{named}: there is no such file, or it cannot be reached")
    looked = " or ".join(str(path) for path in DEFAULT_FILES)
    raise ConfigError(
        f"no configuration: looked for {looked}; "
        "`skypechan describe config` prints one to start from"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder on the way may not be entered
        return False


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file. Raises ConfigError with every fault in it."""
    text = read_text(path)
    if skypiax.is_one(text, path):
        return _load_old(skypiax.parse(text, str(path)), path, environment)
    _check_text(path, text)
    return parse(text, path, environment)


def read_text(path: Path) -> str:
    """Return a file's text, what is not UTF-8 escaped. Raises ConfigError."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _check_text(path: Path, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from error


def parse(text: str, source: Path, environment: Mapping[str, str]) -> Config:
    """Read the text of a configuration file; `source` names it in faults."""
    return _parse(TableReader(source, text), None, environment)


def _load_old(old: OldFile, path: Path, environment: Mapping[str, str]) -> Config:
    """Read an old file; Asterisk's side is in a TOML file beside it, if anywhere."""
    ours = next((place for place in _places_beside(path) if _is_file(place)), None)
    text = read_text(ours) if ours else ""
    if ours:
        _check_text(ours, text)
    return _parse(TableReader(ours or path, text), old, environment)


def _places_beside(path: Path) -> tuple[Path, ...]:
    return (path.parent / DEFAULT_FILES[0], DEFAULT_FILES[1])


def lines_of(old: OldFile) -> tuple[LineConfig, ...]:
    """Return the lines of an old file. Raises ConfigError with every fault in it."""
    reader, tables = TableReader(Path(old.source), ""), dict[str, Any]()
    _add_old(reader, tables, old)
    lines = tuple(_lines(reader, _table(reader, tables, "lines")))
    _check_clashes(reader, lines)
    reader.finish()
    return lines


def _parse(
    reader: TableReader, old: OldFile | None, environment: Mapping[str, str]
) -> Config:
    try:
        tables = tomllib.loads(reader.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{reader.source}: is not TOML: {error}") from error
    old_files = list(_old_files(reader, tables, old, environment))
    for one in old_files:
        _add_old(reader, tables, one)
    override(reader, tables, environment)
    if old:
        _check_login(reader, tables, Path(old.source))
    for name in tables:
        known = [*SECTIONS, ASTERISKS, "lines", "routes", "contacts"]
        if name not in known:
            hint = did_you_mean(name, known)
            reader.fault(name, "", f"there is no section [{name}]{hint}")
    sections = {name: _section(reader, tables, name) for name in SECTIONS}
    asterisks = dict(_asterisks(reader, _table(reader, tables, ASTERISKS)))
    lines = tuple(_lines(reader, _table(reader, tables, "lines")))
    _check_asterisks(reader, lines, asterisks)
    if not lines and not old_files:
        reader.fault("", "", "there is no line: write at least one [lines.NAME]")
    names = {line.name for line in lines}
    routes = tuple(_routes(reader, tables, names))
    contacts = dict(_contacts(reader, _table(reader, tables, "contacts"), names))
    _check_clashes(reader, lines)
    reader.finish()
    return Config(
        source=Path(old.source) if old else reader.source,
        lines=lines,
        routes=routes,
        contacts=contacts,
        asterisks=asterisks,
        warnings=tuple(reader.warnings),
        **sections,
    )


def _check_login(reader: TableReader, tables: Mapping[str, Any], path: Path) -> None:
    """Name what an old file cannot hold if it is nowhere else."""
    asterisk = tables.get("asterisk")
    if isinstance(asterisk, dict) and {"ami_secret", "ami_secret_file"} & set(asterisk):
        return
    places = " or ".join(str(place) for place in _places_beside(path))
    reader.faults.append(
        f"{path} holds no login for Asterisk's manager interface: write [asterisk] "
        f"with ami_username and ami_secret_file into {places}, "
        f"or set {PREFIX}ASTERISK__AMI_SECRET"
    )


def _old_files(
    reader: TableReader,
    tables: Mapping[str, Any],
    named: OldFile | None,
    environment: Mapping[str, str],
) -> Iterator[OldFile]:
    """Yield the old file that is the configuration, and the one of `lines_from`."""
    if named:
        yield named
    table = tables.get("asterisk")
    written = table.get("lines_from", "") if isinstance(table, dict) else ""
    path = environment.get(f"{PREFIX}ASTERISK__LINES_FROM", written)
    if not path or not isinstance(path, str):
        return
    whole = reader.source.parent / path
    if named and Path(named.source).resolve() == whole.resolve():
        return
    try:
        yield skypiax.parse(read_text(whole), str(whole))
    except ConfigError as error:
        reader.fault("asterisk", "lines_from", f"lines_from: {error}")


def _add_old(reader: TableReader, tables: dict[str, Any], old: OldFile) -> None:
    """Add the lines of an old file to the tables."""
    reader.faults += old.faults
    reader.warnings += old.warnings
    if old.wants_debug and isinstance(log := tables.setdefault("log", {}), dict):
        log.setdefault("level", "debug")
    if not isinstance(lines := tables.setdefault("lines", {}), dict):
        return
    for name, values in old.lines.items():
        if name in lines:
            here = reader.place(f"lines.{name}", "")
            place = old.origins[name, ""].place
            reader.faults.append(f"{place}: line {name} is in {here} as well: keep one")
            continue
        lines[name] = dict(values)
        for (owner, key), origin in old.origins.items():
            if owner == name:
                reader.origins[f"lines.{name}", key] = origin


def _section(reader: TableReader, tables: Mapping[str, Any], name: str) -> Any:
    return _settings(reader, name, _table(reader, tables, name), SECTIONS[name])


def _settings(
    reader: TableReader, table: str, values: Mapping[str, Any], settings: type
) -> Any:
    """Return what a table sets, secrets from files too."""
    own = dict(values)
    _read_secrets(reader, table, own, settings)
    reader.check_names(table, own, settings)
    return reader.read(settings, table, own)


def _asterisks(
    reader: TableReader, tables: Mapping[str, Any]
) -> Iterator[tuple[str, AsteriskSettings]]:
    for name, values in tables.items():
        table = f"{ASTERISKS}.{name}"
        if not _LINE_NAME.match(name) or not isinstance(values, dict):
            text = "an Asterisk is a table [asterisks.NAME]: letters, digits, . _ -"
            reader.fault(ASTERISKS, name, text)
        else:
            yield name, _settings(reader, table, values, AsteriskSettings)


def _check_asterisks(
    reader: TableReader, lines: tuple[LineConfig, ...], asterisks: Mapping[str, Any]
) -> None:
    for line in lines:
        name = line.line.asterisk
        if name and name not in asterisks:
            hint = did_you_mean(name, sorted(asterisks))
            text = f"asterisk: there is no [{ASTERISKS}.{name}]{hint}"
            reader.fault(f"lines.{line.name}", "asterisk", text)


def _table(reader: TableReader, tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if isinstance(table, dict):
        return table
    reader.fault(name, name, f"{name} must be a table, [{name}]")
    return {}


def _lines(reader: TableReader, tables: Mapping[str, Any]) -> Iterator[LineConfig]:
    for name, values in tables.items():
        table = f"lines.{name}"
        if not isinstance(values, dict):
            reader.fault("lines", name, f"{name} must be a table, [lines.{name}]")
            continue
        if not _LINE_NAME.match(name) or name in SELECTORS:
            reader.fault(
                table,
                "",
                f"a line cannot be called {name!r}: letters, digits, . _ - only, "
                f"and not {', '.join(SELECTORS)}",
            )
        own = {key: value for key, value in values.items() if key != CLIENT}
        line = reader.read(LineSettings, table, own)
        extra = BACKENDS.get(line.backend)
        kinds = (LineSettings, extra) if extra else (LineSettings,)
        reader.check_names(table, own, *kinds)
        backend = reader.read(extra, table, own) if extra else None
        client = _client(reader, table, values)
        if client.is_ours or client.screen_in_page:
            _check_client(reader, table, own, client, extra)
        yield LineConfig(name, line, backend, client)


def _client(
    reader: TableReader, line_table: str, line_values: Mapping[str, Any]
) -> ClientSettings:
    """Return the settings of a line's client, where the gateway starts it."""
    values = line_values.get(CLIENT, {})
    if not isinstance(values, dict):
        reader.fault(
            line_table, CLIENT, f"client must be a table, [{line_table}.client]"
        )
        values = {}
    table = f"{line_table}.{CLIENT}"
    client: ClientSettings = _settings(reader, table, values, ClientSettings)
    return client


def _check_client(
    reader: TableReader,
    table: str,
    values: Mapping[str, Any],
    client: ClientSettings,
    backend: type | None,
) -> None:
    """Refuse what contradicts a client, one on a display and a bus of its own."""
    if backend is None:
        key = "command" if client.is_ours else "screen_in_page"
        reader.fault(f"{table}.{CLIENT}", key, "this backend needs no client")
    for key in ("dbus_address", "display", "xauthority"):
        if client.is_ours and values.get(key):
            text = f"{key}: the client that the gateway starts gets its own: leave it"
            reader.fault(table, key, f"{text} empty")


def _routes(
    reader: TableReader, tables: Mapping[str, Any], lines: set[str]
) -> Iterator[Route]:
    rows = tables.get("routes", [])
    if not isinstance(rows, list):
        reader.fault("routes", "", "routes are written [[routes]]")
        return
    for number, row in enumerate(rows, 1):
        _check_route(reader, number, row, lines)
        patterns = {
            ours: str(row[key]) for key, ours in _ROUTE_PATTERNS.items() if key in row
        }
        try:
            target = Target.parse(str(row.get("to", "")))
        except ConfigError as error:
            reader.fault("routes", "to", f"route {number}: to: {error}")
            continue
        yield Route(target, **patterns)


def _check_route(
    reader: TableReader, number: int, row: Mapping[str, Any], lines: set[str]
) -> None:
    known = ("to", *_ROUTE_PATTERNS)
    for key, value in row.items():
        if key not in known:
            hint = did_you_mean(key, known)
            reader.fault("routes", key, f"route {number} knows no {key!r}{hint}")
        if not isinstance(value, str):
            text = f"route {number}: {key}: must be text, not {value!r}"
            reader.fault("routes", key, text)
    for key, choices in (("line", sorted(lines)), ("type", CALL_KINDS)):
        value = str(row.get(key, "*"))
        if not set(value) & set("*?[") and value not in choices:
            hint = did_you_mean(value, choices)
            reader.fault("routes", key, f"route {number}: no {key} {value!r}{hint}")


def _contacts(
    reader: TableReader, tables: Mapping[str, Any], lines: set[str]
) -> Iterator[tuple[str, Contact]]:
    """Yield what the plain form of the dialplan may dial, by name."""
    taken: dict[UUID, str] = {}
    for name, values in tables.items():
        fault = partial(reader.fault, "contacts", name)
        if not isinstance(values, dict):
            fault(f"{name} must be {{ uuid = ..., line = ... }}")
            continue
        if not _LINE_NAME.match(name):
            fault(f"a contact cannot be called {name!r}: letters, digits, . _ - only")
        known = ("uuid", "line", "address")
        for key in values:
            if key not in known:
                fault(f"{name} knows no {key!r}{did_you_mean(key, known)}")
            elif not isinstance(values[key], str) or not values[key]:
                fault(f"{name}: {key}: must be text, not {values[key]!r}")
        line, address = str(values.get("line", "ANY")), str(values.get("address", name))
        if line not in lines and line not in SELECTORS:
            hint = did_you_mean(line, sorted(lines))
            fault(f"{name}: there is no line {line!r}{hint}")
        try:
            number = UUID(str(values.get("uuid", "")))
        except ValueError:
            fault(f'{name}: uuid must be one, as "{contact_uuid(name)}"')
            continue
        if number in taken:
            fault(f"{name}: its uuid is that of {taken[number]}")
        taken[number] = name
        yield name, Contact(number, line, address)


def _check_clashes(reader: TableReader, lines: tuple[LineConfig, ...]) -> None:
    """Refuse a port or a folder that two lines, or both ends of one, want."""
    taken: dict[str, str] = {}
    for line in lines:
        for table, key, what in _alone(line, reader.source.parent):
            name = reader.name_of(table, key)
            if what in taken:
                reader.fault(table, key, f"{name}: {what} is taken by {taken[what]}")
            else:
                taken[what] = f"[{reader.name_of(table, '') or table}] {name}"


def _alone(line: LineConfig, base: Path) -> Iterator[tuple[str, str, str]]:
    """Yield table and key of what only one line may have, and what that is."""
    table = f"lines.{line.name}"
    for key in ("sound_port_to_skype", "sound_port_from_skype"):
        if port := getattr(line.backend, key, 0):
            yield table, key, f"port {port}"
    if line.client.is_ours or line.client.screen_in_page:
        folder = line.client.folder_from(base, line.name)
        yield f"{table}.{CLIENT}", "folder", f"folder {folder}"


def _read_secrets(
    reader: TableReader, table: str, values: dict[str, Any], settings: type
) -> None:
    """Replace each `NAME_file` by the secret that the file holds."""
    for declared in dataclasses.fields(settings):
        path_key = f"{declared.name}_file"
        if not declared.metadata.get("secret") or path_key not in values:
            continue
        path = Path(str(values.pop(path_key)))
        if declared.name in values:
            both = f"{declared.name} and {path_key} are both set: keep one"
            reader.fault(table, path_key, both)
            continue
        try:
            mode = path.stat().st_mode
            secret = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            text = getattr(error, "strerror", None) or "it is not text"
            reader.fault(table, path_key, f"{path_key}: cannot read {path}: {text}")
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            reader.fault(
                table, path_key, f"{path_key}: everybody can read {path}: chmod 640 it"
            )
        values[declared.name] = secret
