"""AudioSocket's messages by kind, as Asterisk sends and takes them (res_audiosocket.c).

A message is a kind (one byte), a length (two bytes, big endian) and the payload.
Asterisk sends first a UUID, then audio and digits, at the end a hangup. It takes audio
and the hangup alone and ends the call on anything else, on empty audio, and on a
payload that comes more than 5 ms after its header: both must leave in one piece.
"""

from __future__ import annotations

HEADER_BYTES = 3

HANGUP = 0x00
IDENTITY = 0x01
DIGIT = 0x03

DIGITS = frozenset("0123456789*#ABCD")

RATE_HZ_OF_KIND: dict[int, int] = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Sample rate by kind of audio message: signed 16 bit little endian, mono."""

KIND_OF_RATE_HZ = {rate_hz: kind for kind, rate_hz in RATE_HZ_OF_KIND.items()}
