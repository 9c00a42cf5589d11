"""Names of displays, and which entry of an Xauthority file is theirs."""

from __future__ import annotations

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypechan.errors import ConfigError, DeadlineError, LinkDownError, LinkRefusedError
from skypechan.links.x11 import display
from skypechan.links.x11.display import DisplayName, display_of_session, open_way

COOKIE = b"MIT-MAGIC-COOKIE-1"
HERE = socket.gethostname().encode()
LOCAL, INTERNET, WILD = 256, 0, 65535
NOBODY = 65_534


@pytest.mark.parametrize(
    ("text", "host", "number", "local"),
    [
        (":0", "", 0, True),
        (":11.0", "", 11, True),
        ("unix:3", "", 3, True),
        ("box/unix:3", "", 3, True),
        ("localhost:11.0", "localhost", 11, True),
        ("127.0.0.1:2", "127.0.0.1", 2, True),
        ("127.1.2.3:2", "127.1.2.3", 2, True),
        ("[::1]:2", "::1", 2, True),
        ("xserver.example.org:10.1", "xserver.example.org", 10, False),
        ("127.example.org:1", "127.example.org", 1, False),
    ],
)
def test_name_is_read(text, host, number, local):
    name = DisplayName.parse(text)
    assert (name.host, name.number, name.on_this_host) == (host, number, local)
    assert name.port == 6000 + number


@pytest.mark.parametrize("path", ["/run/line/screen/display", "/a:1.0", "/" * 107])
def test_name_may_be_the_path_of_a_socket(path):
    name = DisplayName.parse(f"unix:{path}")
    assert name == DisplayName("", 0, path)
    assert name.on_this_host
    assert str(name) == f"unix:{path}"


def test_own_name_is_this_host():
    assert DisplayName.parse(f"{socket.gethostname().upper()}:1").on_this_host


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", ":", ":x", ":-1", "a b:0", ":0.", ":60000", ":999999", "h::0"),
        *(":0\n", "/run/display", "unix:run/display", "unix:/" + "x" * 107, "unix:/\0"),
    ],
)
def test_what_is_no_name_is_a_fault(text):
    with pytest.raises(ConfigError, match="X display"):
        DisplayName.parse(text)


@given(st.text(max_size=20) | st.text(max_size=20).map("unix:/{}".format))
def test_any_text_is_a_name_or_a_fault(text):
    try:
        name = DisplayName.parse(text)
    except ConfigError:
        return
    assert DisplayName.parse(str(name)) == name


def test_display_of_the_environment(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":7.0")
    assert display_of_session() == DisplayName("", 7)
    for value in ("", "nonsense"):
        monkeypatch.setenv("DISPLAY", value)
        with pytest.raises(LinkDownError, match="DISPLAY"):
            display_of_session()


def entry(family, address, number, cookie, scheme=COOKIE):
    parts = (address, number, scheme, cookie)
    counted = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    return struct.pack(">H", family) + counted


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A local socket of display 5 and a TCP port of another, nobody behind them."""
    path = tmp_path / "X5"
    monkeypatch.setattr(display, "_SOCKET_PATH", str(tmp_path / "X{}"))
    with socket.socket(socket.AF_UNIX) as local, socket.socket() as tcp:
        local.bind(str(path))
        local.listen()
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        yield tcp.getsockname()[1] - 6000


def cookie_for(name, entries, tmp_path):
    file = tmp_path / "authority"
    file.write_bytes(b"".join(entries))
    way = open_way(name, str(file), 1)
    way.socket.close()
    return way.cookie


@pytest.mark.parametrize(
    ("entries", "cookie"),
    [
        ([entry(LOCAL, HERE, b"5", b"right")], b"right"),
        ([entry(LOCAL, HERE, b"", b"right")], b"right"),
        ([entry(WILD, b"", b"5", b"right")], b"right"),
        ([entry(LOCAL, HERE, b"6", b"wrong")], b""),
        ([entry(LOCAL, b"else", b"5", b"wrong")], b""),
        ([entry(INTERNET, bytes((127, 0, 0, 1)), b"5", b"wrong")], b""),
        ([entry(LOCAL, HERE, b"5", b"wrong", b"XDM-AUTHORIZATION-1")], b""),
        (
            [entry(LOCAL, HERE, b"6", b"wrong"), entry(LOCAL, HERE, b"5", b"right")],
            b"right",
        ),
        ([entry(LOCAL, HERE, b"5", b"right"), b"\x01\x00\x00"], b"right"),
        ([b""], b""),
    ],
)
def test_cookie_of_a_local_socket(server, tmp_path, entries, cookie):
    assert cookie_for(DisplayName("", 5), entries, tmp_path) == cookie


@pytest.mark.parametrize(
    ("entries", "cookie"),
    [
        ([entry(LOCAL, b"container", b"2345", b"right")], b"right"),
        ([entry(WILD, b"", b"", b"right")], b"right"),
        (
            [
                entry(INTERNET, bytes((127, 0, 0, 1)), b"5", b"wrong"),
                entry(LOCAL, HERE, b"6", b"right"),
                entry(LOCAL, HERE, b"5", b"second"),
            ],
            b"right",
        ),
        ([entry(LOCAL, HERE, b"5", b"wrong", b"XDM-AUTHORIZATION-1")], b""),
    ],
)
def test_cookie_of_a_socket_by_its_path_is_the_first_local_one(
    server, tmp_path, entries, cookie
):
    name = DisplayName.parse(f"unix:{tmp_path / 'X5'}")
    assert cookie_for(name, entries, tmp_path) == cookie


@pytest.fixture
def stranger(tmp_path):
    """A local socket at which another user listens."""
    path = tmp_path / "display"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        os.seteuid(NOBODY)
        listening.listen()
        os.seteuid(0)
        yield path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_cookie_is_told_to_who_has_it_and_not_to_another_who_lays_a_link_to_it(
    stranger, tmp_path
):
    file, link = tmp_path / "authority", tmp_path / "link"
    file.write_bytes(entry(LOCAL, HERE, b"5", b"cookie"))
    link.symlink_to(file)
    name = DisplayName.parse(f"unix:{stranger}")

    def told(path):
        way = open_way(name, str(path), 1)
        way.socket.close()
        return way.cookie

    assert told(file) == b"cookie"  # a file of ours is good for any display
    with pytest.raises(LinkRefusedError, match=f"of user {NOBODY}, .* of user 0"):
        told(link)
    os.chown(file, NOBODY, -1)
    assert told(link) == b"cookie"
    os.chown(file, NOBODY - 1, -1)
    for path in (file, link):
        with pytest.raises(LinkRefusedError):
            told(path)


def test_socket_by_its_path_that_nobody_listens_at_is_no_display(tmp_path):
    with pytest.raises(LinkDownError, match=f"no display at unix:{tmp_path}/gone"):
        open_way(DisplayName.parse(f"unix:{tmp_path}/gone"), "", 1)


@pytest.mark.parametrize("family", [LOCAL, INTERNET])
def test_cookie_over_tcp_goes_by_address_or_by_the_hosts_name(server, tmp_path, family):
    address = HERE if family == LOCAL else bytes((127, 0, 0, 1))
    entries = [entry(family, address, str(server).encode(), b"right")]
    name = DisplayName("127.0.0.1", server)
    assert cookie_for(name, entries, tmp_path) == b"right"


def test_no_file_is_no_cookie_unless_it_was_named(server, tmp_path, monkeypatch):
    monkeypatch.delenv("XAUTHORITY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    way = open_way(DisplayName("", 5), "", 1)
    way.socket.close()
    assert way.cookie == b""
    with pytest.raises(LinkDownError, match="missing"):
        open_way(DisplayName("", 5), str(tmp_path / "missing"), 1)


def test_file_that_is_a_pipe_or_has_no_end_holds_nobody_up(server, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/zero"):
        way = open_way(DisplayName("", 5), path, 1)
        way.socket.close()
        assert way.cookie == b""


@given(st.binary(max_size=200))
def test_file_of_any_bytes_is_read_as_far_as_it_goes(content):
    assert all(entry.scheme is not None for entry in display._entries(content))


def test_server_that_accepts_nobody_is_not_waited_for(monkeypatch, tmp_path):
    """As one that is stopped, once its queue is full."""
    monkeypatch.setattr(display, "_SOCKET_PATH", str(tmp_path / "X{}"))
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as one:
        server.bind(str(tmp_path / "X5"))
        server.listen(0)
        one.connect(str(tmp_path / "X5"))
        with pytest.raises(DeadlineError, match="says nothing"):
            open_way(DisplayName("", 5), "", 0.2)


def test_any_fault_of_tcp_to_this_host_leads_to_the_local_socket(
    server, tmp_path, monkeypatch
):
    """Such as a `localhost` that has an address of a kind the machine has not."""

    def fail(*_):
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket, "create_connection", fail)
    way = open_way(DisplayName("localhost", 5), "", 1)
    way.socket.close()
    assert "by the local socket :5" in way.described
    assert "Cannot assign" in way.described
    with pytest.raises(LinkDownError, match="Cannot assign"):
        open_way(DisplayName("elsewhere.example", 5), "", 1)


def test_tcp_that_says_nothing_is_not_replaced(server, monkeypatch):
    def fail(*_):
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(DeadlineError):
        open_way(DisplayName("localhost", 5), "", 1)
