"""What an audio message holds: samples of any rate, or G.711 under the kind of slin.

What the engine works on is 8 and 16 kHz; other rates become 16 kHz here, and audio
longer than its tables hold is cut.

A message of 160 bytes under kind 0x10 is 10 ms of slin or 20 ms of G.711: Asterisk
sends the caller's own codec under kind 0x10 when the dialplan's Dial names
no format, `c(slin)`. Such a message cannot be told from PCM by its length alone, but
by its rate: G.711 comes 50 times a second, slin of that length 100 times. Until a
few have come the line hears silence, since either guess, if wrong, is loud noise.

One of 640 bytes under kind 0x10 is 40 ms of slin, or 20 ms of slin16 from a release
of Asterisk that knows no other kind (before 20.17 and 22.7). That, too, is told by how
often they come; until then it is taken for slin, which at worst sounds slow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skypechan.audio.anyrate import AnyRate
from skypechan.audio.chain import PBX_RATES_HZ
from skypechan.audio.pcm import Int16, alaw_decode, from_bytes, to_int16, ulaw_decode
from skypechan.audio.resampler import NARROW_RATE_HZ, WIDE_RATE_HZ
from skypechan.media.values import Payload

_G711_BYTES, _SLIN16_BYTES = 160, 640
AMBIGUOUS_BYTES = (_G711_BYTES, _SLIN16_BYTES)
_WITNESSES = 8
_SLIN_GAP_S = (0.007, 0.014)  # around 10 ms; less is a burst that tells nothing
_G711_GAP_S = 0.016  # around 20 ms
_SLIN16_GAP_S = (0.014, 0.027)  # around 20 ms
_LONG_SLIN_GAP_S = 0.033  # around 40 ms


class PayloadDecoder:
    """Decodes the audio messages of one call. `note` tells what they hold."""

    def __init__(self, most_samples: int) -> None:
        self.note = Payload.LINEAR
        self._most_samples = most_samples
        self._ambiguous = AmbiguousPayload()
        self._ambiguous_rate = AmbiguousRate()
        self._any_rate: dict[int, AnyRate] = {}

    def decode(
        self, rate_hz: int, payload: bytes, now_s: float
    ) -> Iterator[tuple[int, Int16]]:
        """Rate and samples `[n]`, none where it cannot be played or is not yet known.

        `rate_hz` is what the message's kind says.
        """
        if rate_hz == NARROW_RATE_HZ and len(payload) == _G711_BYTES:
            pcm = self._ambiguous.decode(payload, now_s)
            self.note = self._ambiguous.verdict or self.note
        elif rate_hz == NARROW_RATE_HZ and len(payload) == _SLIN16_BYTES:
            rate_hz, pcm = self._ambiguous_rate.decode(payload, now_s)
            self.note = self._ambiguous_rate.verdict or self.note
        elif payload and len(payload) % 2 == 0:
            pcm = from_bytes(payload)
        else:
            pcm, self.note = None, Payload.UNSUPPORTED
        if pcm is None:
            return
        if rate_hz not in PBX_RATES_HZ:
            rate_hz, pcm = WIDE_RATE_HZ, self._to_wide(pcm, rate_hz)
        for begin in range(0, len(pcm), self._most_samples):
            yield rate_hz, pcm[begin : begin + self._most_samples]

    def _to_wide(self, pcm: Int16, rate_hz: int) -> Int16:
        if rate_hz not in self._any_rate:
            self._any_rate = {rate_hz: AnyRate(rate_hz)}
        samples = self._any_rate[rate_hz].process(pcm)[0]
        wide = np.zeros(len(samples), np.int16)
        to_int16(samples, wide)
        return wide


class AmbiguousPayload:
    """Decodes such messages of one call, once it knows what they are."""

    def __init__(self) -> None:
        self.verdict: Payload | None = None
        self._arrivals_s: list[float] = []
        self._seen = bytearray()

    def decode(self, payload: bytes, now_s: float) -> Int16 | None:
        """Samples at 8 kHz, or None while what they are is not yet known."""
        if self.verdict is None:
            self._witness(payload, now_s)
        match self.verdict:
            case Payload.LINEAR:
                return from_bytes(payload)
            case Payload.ULAW:
                return ulaw_decode(payload)
            case Payload.ALAW:
                return alaw_decode(payload)
            case _:
                return None

    def _witness(self, payload: bytes, now_s: float) -> None:
        self._arrivals_s.append(now_s)
        self._seen += payload
        if len(self._arrivals_s) < _WITNESSES:
            return
        gap_s = float(np.median(np.diff(self._arrivals_s)))
        if gap_s >= _G711_GAP_S:
            self.verdict = _law(bytes(self._seen))
        elif _SLIN_GAP_S[0] <= gap_s <= _SLIN_GAP_S[1]:
            self.verdict = Payload.LINEAR
        self._arrivals_s.clear()
        self._seen.clear()


class AmbiguousRate:
    """Decodes messages of 640 bytes under the kind of 8 kHz."""

    def __init__(self) -> None:
        self.verdict: Payload | None = None
        self._arrivals_s: list[float] = []

    def decode(self, payload: bytes, now_s: float) -> tuple[int, Int16]:
        """Rate and samples, the rate being a guess while there is no verdict."""
        if self.verdict is None:
            self._witness(now_s)
        is_wide = self.verdict is Payload.UNTOLD_SLIN16
        return WIDE_RATE_HZ if is_wide else NARROW_RATE_HZ, from_bytes(payload)

    def _witness(self, now_s: float) -> None:
        self._arrivals_s.append(now_s)
        if len(self._arrivals_s) < _WITNESSES:
            return
        gap_s = float(np.median(np.diff(self._arrivals_s)))
        if _SLIN16_GAP_S[0] <= gap_s <= _SLIN16_GAP_S[1]:
            self.verdict = Payload.UNTOLD_SLIN16
        elif gap_s >= _LONG_SLIN_GAP_S:
            self.verdict = Payload.LINEAR
        self._arrivals_s.clear()


def _law(payload: bytes) -> Payload:
    """The law whose decoding is the quieter and smoother, as speech is."""
    ulaw, alaw = (
        np.abs(pcm).sum() + np.abs(np.diff(pcm)).sum()
        for pcm in (
            ulaw_decode(payload).astype(np.int32),
            alaw_decode(payload).astype(np.int32),
        )
    )
    return Payload.ULAW if ulaw <= alaw else Payload.ALAW
