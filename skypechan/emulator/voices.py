"""What people at the far end say and do with what they hear, as samples.

Everything is int16 at 16,000 samples a second, the format of Skype's sound ports,
and made here by arithmetic: no recordings.
"""

from __future__ import annotations

import wave
from collections import deque
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from skypechan.audio.dtmf import digit_tones
from skypechan.audio.pcm import Float32, Int16, from_bytes, to_int16
from skypechan.emulator import speech
from skypechan.errors import ConfigError

RATE_HZ: Final = 16_000
PIECE_SAMPLES: Final = 160
"""Ten milliseconds: what Skype writes at once (Skype API: audio)."""

_LONGEST_ECHO_SAMPLES: Final = RATE_HZ // 5
_GREETING_SAMPLES: Final = 2 * RATE_HZ
_LISTEN_SAMPLES: Final = 5 * RATE_HZ
_LONGEST_WAV_BYTES: Final = 64 * 1024 * 1024


class Voice(Protocol):
    """The mouth and ear of a person in a call."""

    def hear(self, samples: Int16) -> None:
        """`[samples]` that came from the account's side."""

    def speak(self, count: int) -> Int16:
        """The next `[count]` samples, never fewer."""


class Silence:
    """Says nothing."""

    def hear(self, samples: Int16) -> None:
        """Pays no attention."""

    def speak(self, count: int) -> Int16:
        """Zeros."""
        return np.zeros(count, np.int16)


class Loop:
    """Says the same again and again."""

    def __init__(self, samples: Int16) -> None:
        self._samples = samples
        self._position = 0

    def hear(self, samples: Int16) -> None:
        """Pays no attention."""

    def speak(self, count: int) -> Int16:
        """The next part, from the start again after the end."""
        places = np.arange(self._position, self._position + count)
        self._position = int(places[-1] + 1) % self._samples.size
        return self._samples.take(places, mode="wrap")


class Once:
    """Says something once, then nothing more."""

    def __init__(self, samples: Int16) -> None:
        self._samples = samples
        self._position = 0

    def hear(self, samples: Int16) -> None:
        """Pays no attention."""

    def speak(self, count: int) -> Int16:
        """The next part, silence after the end."""
        part = self._samples[self._position : self._position + count]
        self._position = min(self._position + count, self._samples.size)
        return np.pad(part, (0, count - part.size))


class Echo:
    """Gives back what it hears, at most 200 ms behind.

    It starts once `lead_ms` is there, and again so when it has run dry: arrival is
    never quite even.
    """

    def __init__(self, lead_ms: int = 20) -> None:
        self._lead = lead_ms * RATE_HZ // 1000
        self._heard: deque[Int16] = deque()
        self._waiting = 0
        self._speaking = False

    def hear(self, samples: Int16) -> None:
        """Keep it; what waits too long is dropped, oldest first."""
        self._heard.append(samples)
        self._waiting += samples.size
        while self._waiting > _LONGEST_ECHO_SAMPLES and len(self._heard) > 1:
            self._waiting -= self._heard.popleft().size

    def speak(self, count: int) -> Int16:
        """The oldest of what was heard; silence where nothing is there."""
        spoken = np.zeros(count, np.int16)
        self._speaking = self._speaking or self._waiting >= self._lead
        filled = 0
        while self._speaking and filled < count:
            if not self._heard:
                self._speaking = False
                break
            part = self._heard.popleft()
            used = part[: count - filled]
            spoken[filled : filled + used.size] = used
            filled += used.size
            if used.size < part.size:
                self._heard.appendleft(part[used.size :])
        self._waiting -= filled
        return spoken


class SoundTest:
    """Skype's echo123: greets, beeps, listens for five seconds, plays it back."""

    def __init__(self) -> None:
        greeting = words(speech.SOUND_TEST)
        pause = np.zeros(max(0, _GREETING_SAMPLES - greeting.size), np.int16)
        self._script = np.concatenate([greeting, pause, beep()])
        self._position = 0
        self._heard: list[Int16] = []
        self._listened = 0
        self._listening = False

    def hear(self, samples: Int16) -> None:
        """Keep it between the beeps."""
        if self._listening:
            self._heard.append(samples)

    def speak(self, count: int) -> Int16:
        """Greeting, silence while listening, or the playback."""
        if self._listening:
            self._listened += count
            if self._listened >= _LISTEN_SAMPLES:
                self._play_back()
            return np.zeros(count, np.int16)
        part = self._script[self._position : self._position + count]
        self._position += count
        if self._position >= self._script.size:
            self._listen()
        return np.pad(part, (0, count - part.size))

    def _listen(self) -> None:
        self._listening, self._listened, self._heard = True, 0, []

    def _play_back(self) -> None:
        self._script = np.concatenate([beep(), *self._heard, beep()])
        self._listening, self._position = False, 0


def make_voice(choice: str) -> Voice:
    """A voice by its name; ConfigError for an unknown one or a bad file.

    silence, echo[:LEAD_MS], echo123, tone[:HZ], talk[:SEED], pauses[:SEED], announce,
    chirp, ringback, wav:PATH
    """
    name, _, argument = choice.partition(":")
    match name:
        case "silence":
            return Silence()
        case "echo" if argument.isdecimal() or not argument:
            return Echo(int(argument or 20))
        case "echo123":
            return SoundTest()
        case _:
            return Loop(make_sound(name, argument))


def make_sound(name: str, argument: str = "") -> Int16:
    """`[samples]` by name, as in `make_voice`; ConfigError."""
    try:
        match name:
            case "tone":
                return tone(float(argument or 440), 1.0)
            case "talk":
                return babble(4.0, seed=int(argument or 0))
            case "pauses":
                return talk_with_pauses(seed=int(argument or 0))
            case "announce":
                return announcement()
            case "chirp":
                return chirp()
            case "ringback":
                return ringback()
            case "wav":
                return read_wav(Path(argument))
    except ValueError as error:
        raise ConfigError(f"sound {name!r}: {argument!r} is no number") from error
    raise ConfigError(f"no sound is called {name!r}")


def tone(hz: float, seconds: float, level_dbfs: float = -20.0) -> Int16:
    """A sine of this RMS level."""
    phase = 2 * np.pi * hz * _times(seconds)
    amplitude = np.sqrt(2) * 10 ** (level_dbfs / 20)
    return _integers(amplitude * np.sin(phase))


def beep() -> Int16:
    """A short sign."""
    return np.concatenate([tone(1000, 0.2), np.zeros(RATE_HZ // 20, np.int16)])


def ringback() -> Int16:
    """One second of 425 Hz, four of silence (ITU-T E.180, as in Europe)."""
    return np.concatenate([tone(425, 1.0), np.zeros(4 * RATE_HZ, np.int16)])


def chirp(seconds: float = 1.0) -> Int16:
    """A linear sweep from 200 to 3,600 Hz, to find delays with."""
    times = _times(seconds)
    phase = 2 * np.pi * (200 * times + (3600 - 200) / (2 * seconds) * times**2)
    return _integers(0.25 * np.sin(phase))


def digits(pressed: str) -> Int16:
    """The tones of these digits one after another."""
    return _integers(digit_tones(pressed, RATE_HZ))


def babble(seconds: float, seed: int) -> Int16:
    """Speech-like sound: a gliding voice, four syllables a second, two formants."""
    random = np.random.default_rng(seed)
    times = _times(seconds)
    pitch_hz = random.uniform(100, 200) * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * times))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    syllable = (times * 4).astype(int)
    formants = random.uniform([300, 900], [900, 2500], (syllable[-1] + 1, 2))[syllable]
    voice = np.zeros(times.size)
    for harmonic in range(1, 20):
        distance = (harmonic * pitch_hz[:, None] - formants) / 150
        voice += np.exp(-0.5 * distance**2).sum(axis=1) * np.sin(harmonic * phase)
    voice *= np.clip(1.3 * np.sin(np.pi * (times * 4 % 1)), 0, 1)
    return _integers(voice * 0.08 / np.sqrt(np.mean(voice**2)))


def talk_with_pauses(seed: int) -> Int16:
    """Half a minute of turns of one to three seconds with pauses as long."""
    random = np.random.default_rng(seed)
    parts: list[Int16] = []
    while sum(part.size for part in parts) < 30 * RATE_HZ:
        speech_s, pause_s = random.uniform(1, 3, 2)
        parts.append(babble(float(speech_s), seed=int(random.integers(1 << 30))))
        parts.append(np.zeros(int(pause_s * RATE_HZ), np.int16))
    return np.concatenate(parts)


def words(sounds: str) -> Int16:
    """Spoken words; see `speech`."""
    return _integers(speech.speak(sounds))


def announcement() -> Int16:
    """What the network says of a number, and two seconds of silence."""
    return np.concatenate([words(speech.ANNOUNCEMENT), np.zeros(2 * RATE_HZ, np.int16)])


def voicemail_greeting() -> Int16:
    """What voicemail says before it listens."""
    return words(speech.VOICEMAIL)


def read_wav(path: Path) -> Int16:
    """Samples of a WAV file; ConfigError unless it is 16 kHz, mono, 16 bit."""
    try:
        if path.stat().st_size > _LONGEST_WAV_BYTES:
            raise ConfigError(f"{path} is larger than {_LONGEST_WAV_BYTES} bytes")
        with wave.open(str(path), "rb") as file:
            shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            content = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"{path}: {error}") from error
    if shape != (RATE_HZ, 1, 2) or not content:
        raise ConfigError(f"{path} is not 16 kHz, mono, 16 bit with samples in it")
    return from_bytes(content)


def mix(first: Int16, second: Int16) -> Int16:
    """Sum of two pieces of one length, saturated."""
    total = first.astype(np.int32) + second
    mixed: Int16 = np.clip(total, -32768, 32767).astype(np.int16)
    return mixed


def _times(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.arange(int(seconds * RATE_HZ)) / RATE_HZ


def _integers(samples: np.ndarray[tuple[int], np.dtype[np.float64]] | Float32) -> Int16:
    result = np.empty(samples.size, np.int16)
    to_int16(samples.astype(np.float32), result)
    return result
