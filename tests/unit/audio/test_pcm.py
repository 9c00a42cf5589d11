"""PCM at the borders is exact, saturates, and speaks G.711."""

import numpy as np
import pytest

from skypechan.audio.pcm import (
    PcmFormat,
    alaw_decode,
    from_bytes,
    peaks_of,
    saturates,
    to_float,
    to_int16,
    ulaw_decode,
)


def test_every_sample_survives_the_way_to_float_and_back() -> None:
    pcm = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    out = np.zeros_like(pcm)
    to_int16(to_float(pcm), out)
    np.testing.assert_array_equal(out, pcm)


def test_what_is_too_loud_saturates_and_what_lies_between_is_rounded() -> None:
    samples = np.array([2, -2, 1, -1, 0.6 / 32768, -0.6 / 32768], np.float32)
    out = np.zeros(6, np.int16)
    to_int16(samples, out)
    assert out.tolist() == [32767, -32768, 32767, -32768, 1, -1]


@pytest.mark.parametrize(
    ("edge", "beyond", "whole"),
    [(32767.5, np.inf, 32767), (-32768, -np.inf, -32768)],
)
def test_what_does_not_saturate_is_rounded_alike_without_saturating(
    edge: float, beyond: float, whole: int
) -> None:
    at = np.float32(edge / 32768)
    within = at if at == -1 else np.nextafter(at, np.float32(0))
    for sample in (within, np.nextafter(within, np.float32(beyond))):
        assert saturates(np.array([sample])) == (sample != within)
    out = np.zeros(1, np.int16)
    to_int16(np.array([within]), out, saturate=False)
    assert out[0] == whole


def test_the_peak_of_a_row_is_its_largest_sample_of_either_sign() -> None:
    assert peaks_of(np.array([[0.5, -0.75], [0.25, 0]], np.float32)) == [0.75, 0.25]


def test_a_frame_of_20_ms_has_640_bytes_at_16_khz() -> None:
    wide = PcmFormat(16_000)
    assert (wide.frame_samples, wide.frame_bytes) == (320, 640)
    assert wide.milliseconds(3200) == 100


def test_samples_are_little_endian() -> None:
    assert from_bytes(b"\x01\x00\x00\x80").tolist() == [1, -32768]


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        from_bytes(b"\x01\x00\x00")


# Values of ITU-T G.711, tables 1 and 2, scaled to 16 bits.
@pytest.mark.parametrize(
    ("code", "sample"),
    [
        (0x00, -32124),
        (0x80, 32124),
        (0xFF, 0),
        (0x7F, 0),
        (0xFE, 8),
        (0xEF, 132),
        (0xF0, 120),
    ],
)
def test_mu_law_decodes_to_the_standard_s_values(code: int, sample: int) -> None:
    assert ulaw_decode(bytes([code]))[0] == sample


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0xD4, 24), (0x80, 5504)],
)
def test_a_law_decodes_to_the_standard_s_values(code: int, sample: int) -> None:
    assert alaw_decode(bytes([code]))[0] == sample
