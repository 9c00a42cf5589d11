"""The calls of the demonstration. Each step returns its figures or raises StepError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np

from skypechan.audio.probe import TimedSound, delays_ms, found_chirps
from skypechan.call.causes import HangupCause
from skypechan.demo.parts.baresip import EventType, Incoming, PhoneEvent
from skypechan.demo.report import Figures
from skypechan.demo.stage import CHIRP_EVERY_S, RING_S, Scene, Stage
from skypechan.errors import DeadlineError, StepError

DIGITS = "1234*#"

_LISTEN_S = 8.0
_TALK_S = 3.0
_ANSWER_AFTER_S = 0.7
_SETTLE_S = 5.0
_READ_S = 8.0  # the sample's 610 waits three seconds for a next digit
_MOST_LOST = 0.1
_LEVEL_TOLERANCE_DB = 3.0
_PERCENTILES = {"min": 0, "median": 50, "p95": 95, "p99": 99}

StageStep = Callable[[Stage], Awaitable[Figures]]
SceneStep = Callable[[Scene], Awaitable[Figures]]


# The phone and Asterisk alone.


async def phone_to_echo(stage: Stage) -> Figures:
    """The phone dials 600, Asterisk's own echo: the baseline of every delay."""
    async with phone_call(stage, "600"):
        await _listen(stage, _LISTEN_S)
        return _echo_figures(stage.tap.from_phone.sound(), stage.tap.to_phone.sound())


# Calls from the line.


async def skype_to_echo(scene: Scene) -> Figures:
    """A user of the messenger calls the line and lands on 600."""
    async with line_call(scene, "demo.echo") as number:
        await asyncio.sleep(_LISTEN_S)
        sent = await scene.skype.sound(number, "sent")
        heard = await scene.skype.sound(number, "heard")
    await scene.gateway.record(skype_call=str(number), status="ANSWER", cause=16)
    return {**_echo_figures(sent, heard), "longest_gap_ms": _longest_gap_ms(heard)}


async def skype_to_sip(scene: Scene) -> Figures:
    """The line is answered only when the phone is; both hear each other."""
    stage = scene.stage
    stage.phone.incoming, stage.phone.answer_after_s = Incoming.ANSWER, _ANSWER_AFTER_S
    mark = len(stage.phone.events)
    async with line_call(scene, "demo.phone", within_s=_SETTLE_S + RING_S) as number:
        up = await _phone_event(stage, EventType.ESTABLISHED, mark)
        answered_s = await _line_time_s(scene, number, "INPROGRESS")
        if answered_s < up.time_s - _ANSWER_AFTER_S / 2:
            raise StepError("the line was answered before the phone")
        await _listen(stage, _TALK_S)
        figures = await _both_ways(scene, number)
        await stage.phone.hang_up()
        await scene.skype.call(number, "FINISHED")
    record = await scene.gateway.record(skype_call=str(number), cause=16)
    if record["released_by"] != "pbx":
        raise StepError(f"the phone hung up, the record says {record['released_by']}")
    return {"answer_lag_ms": round((answered_s - up.time_s) * 1e3, 1), **figures}


async def dtmf_to_pbx(scene: Scene) -> Figures:
    """Digits of a messenger user reach the dialplan, which sends them back."""
    async with line_call(scene, "demo.digits") as number:
        await scene.skype.post(f"/calls/{number}/digits", {"digits": DIGITS})
        await scene.skype.call(number, "FINISHED", within_s=len(DIGITS) + _READ_S)
        heard = (await scene.skype.get(f"/calls/{number}"))["digits_heard"]
    _expect_digits(heard)
    return {"digits": len(heard)}


# Calls from the phone.


async def sip_to_skype(scene: Scene) -> Figures:
    """180 only when the messenger user's client rings, 200 only on the answer."""
    stage, mark = scene.stage, len(scene.stage.phone.events)
    async with phone_call(stage, "556"):
        number = await scene.skype.newest()
        ringing = await _phone_event(stage, EventType.RINGING, mark)
        up = await _phone_event(stage, EventType.ESTABLISHED, mark)
        rang_s = await _line_time_s(scene, number, "RINGING")
        answered_s = await _line_time_s(scene, number, "INPROGRESS")
        if ringing.time_s < rang_s or up.time_s < answered_s:
            raise StepError("the phone was told of ringing or answer too early")
    await scene.quiet()
    async with phone_call(stage, "7echo"):
        number = await scene.skype.newest()
        await _listen(stage, _LISTEN_S)
        figures = _echo_figures(
            stage.tap.from_phone.sound(), stage.tap.to_phone.sound()
        )
    await scene.skype.call(number, "FINISHED")
    return {
        "ringing_lag_ms": round((ringing.time_s - rang_s) * 1e3, 1),
        "answer_lag_ms": round((up.time_s - answered_s) * 1e3, 1),
        **figures,
    }


async def dtmf_to_line(scene: Scene) -> Figures:
    """Digits of the phone reach the messenger user."""
    async with phone_call(scene.stage, "7tone"):
        number = await scene.skype.newest()
        await scene.stage.phone.send_digits(DIGITS)
        heard = await _digits_heard(scene, number)
    _expect_digits(heard)
    return {"digits": len(heard)}


# Calls that nobody takes.


async def busy(scene: Scene) -> Figures:
    """Busy is 486 at the phone, and cause 17 in the records of both directions."""
    scene.stage.phone.incoming = Incoming.REJECT
    figures = await _phone_is_told(scene, "7busy", "486", HangupCause.USER_BUSY)
    await _line_is_told(scene, "demo.phone", HangupCause.USER_BUSY)
    return figures


async def refused(scene: Scene) -> Figures:
    """Refused is 403 at the phone, and cause 21 in the records."""
    figures = await _phone_is_told(scene, "7refuse", "403", HangupCause.CALL_REJECTED)
    await _line_is_told(scene, "demo.refused", HangupCause.CALL_REJECTED)
    return figures


async def no_answer(scene: Scene) -> Figures:
    """Nobody answers: 480 at the phone, cause 19 in the records."""
    scene.stage.phone.incoming = Incoming.RING
    figures = await _phone_is_told(scene, "7noanswer", "480", HangupCause.NO_ANSWER)
    await _line_is_told(scene, "demo.phone", HangupCause.NO_ANSWER)
    return figures


STAGE_STEPS: dict[str, StageStep] = {"phone-to-echo": phone_to_echo}
SCENE_STEPS: dict[str, SceneStep] = {
    "skype-to-echo": skype_to_echo,
    "skype-to-sip": skype_to_sip,
    "sip-to-skype": sip_to_skype,
    "dtmf-to-pbx": dtmf_to_pbx,
    "dtmf-to-line": dtmf_to_line,
    "busy": busy,
    "refused": refused,
    "no-answer": no_answer,
}


@asynccontextmanager
async def phone_call(stage: Stage, extension: str) -> AsyncIterator[None]:
    """A call of the phone that is up; hung up by the phone afterwards."""
    mark = len(stage.phone.events)
    await stage.phone.dial(extension)
    await _phone_event(stage, EventType.ESTABLISHED, mark)
    yield
    if await stage.phone.active_calls():
        await stage.phone.hang_up()
    await _phone_event(stage, EventType.CLOSED, mark)


@asynccontextmanager
async def line_call(
    scene: Scene, caller: str, *, within_s: float = _SETTLE_S
) -> AsyncIterator[int]:
    """A call of a messenger user to the line that is up; he hangs up afterwards."""
    voice = f"wav:{scene.stage.line_sound}"
    number = await scene.skype.ring(caller, voice=voice)
    try:
        await scene.skype.call(number, "INPROGRESS", within_s)
    except DeadlineError as error:
        record = await scene.gateway.record(skype_call=str(number))
        raise StepError(f"{error}: {record['reason']}") from error
    yield number
    await scene.skype.hang_up(number)


async def _phone_event(stage: Stage, event: EventType, mark: int) -> PhoneEvent:
    """Return the phone's event since the mark; a call that was refused is told."""
    try:
        return await stage.phone.event(event, since=mark, within_s=_SETTLE_S)
    except DeadlineError as error:
        for past in stage.phone.events[mark:]:
            if past.type == EventType.CLOSED and event is not EventType.CLOSED:
                raise StepError(f"the call ended: {past.text}") from error
        raise


async def _line_time_s(scene: Scene, number: int, status: str) -> float:
    """Return when a call first had a status, by the clock of the event loop."""
    return await scene.skype.moment_ns(number, status) / 1e9


async def _listen(stage: Stage, seconds: float) -> None:
    stage.tap.forget()
    await asyncio.sleep(seconds)


async def _digits_heard(scene: Scene, number: int) -> str:
    """Return the digits that arrived, once no more come."""
    heard = ""
    for _ in range(20):
        await asyncio.sleep(0.1)
        heard = (await scene.skype.get(f"/calls/{number}"))["digits_heard"]
        if len(heard) >= len(DIGITS):
            break
    return str(heard)


def _expect_digits(heard: str) -> None:
    if heard != DIGITS:
        raise StepError(f"digits {DIGITS} were sent, {heard or 'none'} arrived")


async def _phone_is_told(
    scene: Scene, extension: str, sip_code: str, cause: HangupCause
) -> Figures:
    """Dial somebody who does not answer; check the SIP answer and the record."""
    stage, mark = scene.stage, len(scene.stage.phone.events)
    await stage.phone.dial(extension)
    closed = await stage.phone.event(
        EventType.CLOSED, since=mark, within_s=RING_S + _SETTLE_S
    )
    if not closed.text.startswith(sip_code):
        raise StepError(f"the phone was told {closed.text!r} instead of {sip_code}")
    record = await scene.gateway.record(
        direction="to_line", address=extension.removeprefix("7")
    )
    if record["cause"] != cause:
        raise StepError(f"the record says cause {record['cause']} instead of {cause:d}")
    return {"sip": closed.text, "cause": int(cause), "reason": record["reason"]}


async def _line_is_told(scene: Scene, caller: str, cause: HangupCause) -> None:
    """Let a messenger user call somebody who does not answer; check the record."""
    number = await scene.skype.ring(caller)
    await scene.skype.call(number, "REFUSED", within_s=RING_S + _SETTLE_S)
    record = await scene.gateway.record(skype_call=str(number))
    if record["cause"] != cause:
        raise StepError(f"the record says cause {record['cause']} instead of {cause:d}")


# Figures.


def _echo_figures(sent: TimedSound, heard: TimedSound) -> Figures:
    """Return the round trip of every chirp. Raises StepError if too few came back."""
    figures = _delay_figures("rtt", sent, heard)
    change_db = _level_db(heard) - _level_db(sent)
    if abs(change_db) > _LEVEL_TOLERANCE_DB:
        raise StepError(f"the echo is {change_db:+.1f} dB against what was sent")
    return {**figures, "level_change_db": round(change_db, 2)}


async def _both_ways(scene: Scene, number: int) -> Figures:
    """Return the delay of each direction between the messenger user and the phone."""
    tap, skype = scene.stage.tap, scene.skype
    sent, heard = await skype.sound(number, "sent"), await skype.sound(number, "heard")
    since_ns = tap.since_ns
    return {
        **_delay_figures("to_phone", sent.since(since_ns), tap.to_phone.sound()),
        **_delay_figures("from_phone", tap.from_phone.sound(), heard),
    }


def _delay_figures(name: str, sent: TimedSound, heard: TimedSound) -> Figures:
    """Return percentiles of the delays. Raises StepError if too few chirps came."""
    gone = len(found_chirps(sent.samples, sent.rate_hz))
    delays = delays_ms(sent, heard)
    if not gone:
        raise StepError(f"{name}: nothing was sent")
    if len(delays) < gone * (1 - _MOST_LOST) - 1:
        raise StepError(f"{name}: of {gone} sounds sent {len(delays)} came back")
    figures = {
        f"{name}_ms_{word}": round(float(np.percentile(delays, percent)), 2)
        for word, percent in _PERCENTILES.items()
    }
    return {f"{name}_chirps": len(delays), **figures}


def _level_db(sound: TimedSound) -> float:
    """Return the level of the middle of a sound, dBFS: whole periods of chirps."""
    period = round(CHIRP_EVERY_S * sound.rate_hz)
    middle = len(sound.samples) // 2
    samples = sound.samples[middle : middle + 8 * period].astype(np.float64)
    if len(samples) < period:
        return -np.inf
    return float(10 * np.log10(np.mean(samples**2) / 2.0**30 + 1e-12))


def _longest_gap_ms(sound: TimedSound) -> float:
    """Return the longest time between two pieces."""
    gaps = np.diff(sound.at_ns)
    return round(float(gaps.max()) / 1e6, 1) if len(gaps) else 0.0
