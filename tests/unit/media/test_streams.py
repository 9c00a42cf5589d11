"""Framing: whatever the cuts, the same frames and messages come out."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypechan.media.streams import MessageTable, Outlet, PbxInlet, PcmInlet, prepare
from tests.doubles.pcm_peers import message, tcp_pair

MESSAGES = st.lists(
    st.tuples(st.sampled_from([0x00, 0x03, 0x10, 0x12, 0x16]), st.binary(max_size=700)),
    min_size=1,
    max_size=8,
)
CUTS = st.lists(st.integers(1, 900), min_size=1, max_size=20)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    begin, turn = 0, 0
    while begin < len(data):
        yield data[begin : begin + cuts[turn % len(cuts)]]
        begin += cuts[turn % len(cuts)]
        turn += 1


def read_all(inlet: PbxInlet, row: bytearray) -> Iterator[tuple[int, bytes]]:
    """Read until nothing is left, as the engine does."""
    while True:
        try:
            header = inlet.receive()
        except BlockingIOError:
            return
        if header is None:
            yield from inlet.messages()
        else:
            yield header >> 16, bytes(row[3 : 3 + (header & 0xFFFF)])


@given(MESSAGES, CUTS)
def test_messages_are_the_same_however_they_are_cut(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        row = bytearray(643)
        inlet = PbxInlet(near, memoryview(row), b"")
        heard = []
        wire = b"".join(message(kind, payload) for kind, payload in sent)
        for piece in pieces(wire, cuts):
            far.sendall(piece)
            heard += read_all(inlet, row)
    assert heard == sent


def test_a_burst_of_equal_messages_is_read_one_by_one_without_reassembly() -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        row = bytearray(1923)
        inlet = PbxInlet(near, memoryview(row), b"")
        far.sendall(message(0x12, bytes(640)))
        assert inlet.receive() == 0x120280
        far.sendall(message(0x12, b"\x01" * 640) * 5 + message(0x03, b"5"))
        assert [inlet.receive() for _ in range(5)] == [0x120280] * 5
        assert inlet.receive() == 0x030001
        far.sendall(message(0x12, bytes(640)))
        assert inlet.receive() == 0x120280


@given(CUTS)
def test_frames_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    near, far = socket.socketpair()
    frame = bytearray(640)
    heard = b""
    sent = np.random.default_rng(5).bytes(640 * 4)
    with near, far:
        near.setblocking(False)
        inlet = PcmInlet(near, memoryview(frame))
        for piece in pieces(sent, cuts):
            far.sendall(piece)
            while True:
                try:
                    heard += bytes(frame) if inlet.receive() else b""
                except BlockingIOError:
                    break
    assert heard == sent


def test_the_rest_of_a_frame_is_whole_samples_and_an_odd_byte_stays() -> None:
    near, far = socket.socketpair()
    frame = bytearray(8)
    with near, far:
        inlet = PcmInlet(near, memoryview(frame))
        far.sendall(b"\x01\x02\x03\x04\x05")
        assert not inlet.receive()
        assert inlet.is_arriving()
        assert not inlet.is_arriving()
        assert inlet.take_rest() == b"\x01\x02\x03\x04"
        far.sendall(b"\x06" * 7)
        assert inlet.receive()
        assert bytes(frame) == b"\x05" + b"\x06" * 7


def test_the_end_of_a_stream_is_an_end_and_not_a_frame() -> None:
    near, far = socket.socketpair()
    with near:
        far.close()
        with pytest.raises(EOFError):
            PcmInlet(near, memoryview(bytearray(640))).receive()
        with pytest.raises(EOFError):
            PbxInlet(near, memoryview(bytearray(643)), b"").receive()


def test_every_row_of_the_message_table_carries_its_header() -> None:
    for rate_hz, header in ((8_000, b"\x10\x01\x40"), (16_000, b"\x12\x02\x80")):
        table = MessageTable(3, rate_hz)
        table.samples[2] = 0x0201
        assert [bytes(row[:3]) for row in table.messages] == [header] * 3
        assert bytes(table.messages[2][3:]) == b"\x01\x02" * (rate_hz // 50)
        assert not any(table.messages[1][3:])
        assert table.samples.flags.aligned


def test_a_receiver_that_is_full_gets_whole_frames_and_the_rest_first() -> None:
    near, far = tcp_pair()
    asked: list[bool] = []
    with near, far:
        prepare(near)
        outlet = Outlet(near, lambda _, wanted: asked.append(wanted), stall_s=60)
        sent = 0
        while outlet.dropped < 3:
            outlet.send(memoryview(bytes([sent % 251]) * 643), 0.0)
            sent += 1
        whole = sent - outlet.dropped
        far.setblocking(False)
        heard = b""
        while len(heard) < whole * 643:
            try:
                heard += far.recv(65_536)
            except BlockingIOError:
                outlet.flush()
    frames = [heard[begin : begin + 643] for begin in range(0, len(heard), 643)]
    assert all(len(set(frame)) == 1 for frame in frames)
    assert asked in ([], [True, False])


def test_the_receive_buffer_does_not_grow_with_what_has_passed() -> None:
    """Left alone it grows to hundreds of kilobytes: a backlog of half a minute."""
    near, far = tcp_pair()
    with near, far:
        prepare(near)
        near.setblocking(True)
        before = near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        for _ in range(400):
            far.sendall(bytes(60_000))
            near.recv(60_000, socket.MSG_WAITALL)
        assert near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == before


def test_a_stalled_receiver_is_told_after_the_time_and_not_before() -> None:
    near, far = socket.socketpair()
    with near, far:
        prepare(near)
        outlet = Outlet(near, lambda *_: None, stall_s=10)
        while not outlet.dropped:
            outlet.send(memoryview(bytes(640)), 100.0)
        outlet.send(memoryview(bytes(640)), 110.0)
        with pytest.raises(TimeoutError):
            outlet.send(memoryview(bytes(640)), 110.1)
        far.recv(65_536)
        outlet.flush()
        outlet.send(memoryview(bytes(640)), 111.0)
