"""The rules of the house: layers, purity, doors, sizes. The standard library only."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skypechan import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "skypechan"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = {
    **dict.fromkeys(("errors", "clock", "log", "loop", "settings"), 0),
    **dict.fromkeys(("call", "audio", "links"), 1),
    **dict.fromkeys(("asterisk", "backends", "media"), 2),
    "gateway": 3,
    **dict.fromkeys(("web", "desktop", "check", "emulator"), 4),
    "config": 5,
    "app": 6,
    **dict.fromkeys(("demo", "console"), 7),
    "cli": 8,
}

PURE = (
    "skypechan.call",
    "skypechan.audio",
    "skypechan.asterisk.audiosocket.wire",
    "skypechan.asterisk.ami.messages",
    "skypechan.backends.skype.protocol",
)
IO_MODULES = {
    "asyncio",
    "socket",
    "ssl",
    "subprocess",
    "aiohttp",
    "dbus_next",
    "dbus_fast",
    "Xlib",
    "panoramisk",
    "uvloop",
}
# numpy itself imports these; audio is judged by what its own files name.
LOADED_BY_NUMPY = {"subprocess", "socket", "asyncio", "ssl"}

DOORS = {
    "panoramisk": {"skypechan.asterisk.ami.link"},
    "dbus_next": {"skypechan.links.dbus", "skypechan.links.dbusnext"},
    "Xlib": {"skypechan.links.x11"},
    "aiohttp": {"skypechan.web", "skypechan.emulator", "skypechan.demo"},
    "uvloop": {"skypechan.loop"},
}
LONGEST_FILE, LONGEST_FUNCTION = 500, 60


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{dotted(path)} has a relative import"
            yield node.module or ""


def is_within(name: str, places: tuple[str, ...] | set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def is_allowed(here: list[str], there: list[str]) -> bool:
    if here[1] == there[1]:
        same_backend = here[2:3] == there[2:3] or there[2:3] == ["base"]
        return here[1] != "backends" or same_backend
    if here[1] == "emulator":
        # The other end of the wire: it shares the protocol, not the gateway.
        protocol = there[1:4] == ["backends", "skype", "protocol"]
        return LAYERS[there[1]] <= 1 or protocol
    # The ground layer is single files that lean on each other.
    return LAYERS[there[1]] < max(LAYERS[here[1]], 1)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_downwards(path: Path) -> None:
    here = dotted(path).split(".")
    if len(here) < 2:
        return
    assert here[1] in LAYERS, f"{dotted(path)} stands in no layer"
    for name in imports(path):
        there = name.split(".")
        if there[0] == "skypechan" and len(there) > 1 and there[1] in LAYERS:
            assert is_allowed(here, there), f"{dotted(path)} must not import {name}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if is_within(dotted(p), PURE)], ids=dotted
)
def test_pure_modules_name_no_io_module(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & IO_MODULES


def test_pure_modules_load_no_io_module() -> None:
    pure = [dotted(p) for p in MODULES if is_within(dotted(p), PURE)]
    for with_numpy in (False, True):
        names = [n for n in pure if n.startswith("skypechan.audio") is with_numpy]
        bad = IO_MODULES - (LOADED_BY_NUMPY if with_numpy else set())
        code = f"import sys, {', '.join(names)}; print(*(sys.modules.keys() & {bad!r}))"
        loaded = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert loaded.stdout.split() == []


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_its_door(library: str) -> None:
    through = {
        dotted(path)
        for path in MODULES
        if library in {name.split(".")[0] for name in imports(path)}
    }
    assert all(is_within(name, DOORS[library]) for name in through), through


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_backend_and_the_emulator_know_the_messenger(path: Path) -> None:
    """The config, the demo and the composition root name it to choose it."""
    allowed = ("backends", "emulator", "config", "app", "cli", "demo", "check")
    if dotted(path).split(".")[1:2] and dotted(path).split(".")[1] in allowed:
        return
    text = re.sub(r"skypechan", "", path.read_text("utf-8"), flags=re.IGNORECASE)
    # Names that the contract with the operator fixes.
    text = re.sub(r'"skype_call"|"skype"', "", text)
    code = "\n".join(line for line in text.splitlines() if "skype" in line.lower())
    assert not code, f"{dotted(path)}: {code}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_clock_reads_time_in_signalling_code(path: Path) -> None:
    here = dotted(path)
    free = (
        "skypechan.clock",
        "skypechan.media",
        "skypechan.emulator",
        "skypechan.demo",
    )
    if is_within(here, free):
        return
    text = path.read_text("utf-8")
    assert not re.search(r"\btime\.(time|monotonic|sleep|perf_counter)", text), here
    assert not re.search(r"\basyncio\.sleep\((?!0\))", text), here
    assert "datetime.now" not in text, here


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            is_doc = isinstance(first, ast.Expr) and isinstance(
                first.value, ast.Constant
            )
            start = node.body[1].lineno if is_doc and node.body[1:] else first.lineno
            length = (node.end_lineno or 0) - start + 1
            assert length <= LONGEST_FUNCTION, f"{dotted(path)}.{node.name}: {length}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name == "__init__.py"], ids=dotted
)
def test_package_files_hold_a_docstring_and_nothing_else(path: Path) -> None:
    body = tree(path).body
    assert len(body) == 1
    assert ast.get_docstring(tree(path))


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils", "helpers", "common", "misc", "manager", "data", "info"}
    assert not {path.stem for path in MODULES} & vague


def test_the_tree_of_errors_is_the_one_drawn() -> None:
    drawn = re.findall(r"(\w+Error)\b", errors.__doc__ or "")
    classes = inspect.getmembers(errors, inspect.isclass)
    real = [name for name, kind in classes if kind.__module__ == errors.__name__]
    assert sorted(drawn) == sorted(real)
    assert all(issubclass(kind, errors.SkypechanError) for _, kind in classes)


def test_every_exception_stands_in_the_tree() -> None:
    for path in MODULES:
        if dotted(path) == "skypechan.errors":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                own = {base for base in bases if base.endswith(("Error", "Exception"))}
                assert not own, f"{dotted(path)}.{node.name} belongs into errors.py"
