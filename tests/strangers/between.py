"""A call between the phone and the stand-in, and what each of them hears."""

from __future__ import annotations

import asyncio

from skypechan.audio.probe import tone
from tests.doubles.rtp import RATE_HZ, sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call as SipCall
from tests.doubles.sip_values import Behaviour
from tests.strangers.sound import share_of
from tests.strangers.standin import Standin
from tests.strangers.standin_values import VOICE_HZ, Call

PHONE_HZ = 600


async def talking(skype: Standin, phone: SipAgent) -> tuple[Call, SipCall]:
    """A call from the phone, answered."""
    mark = skype.said.mark
    sip = phone.call(f"call-{skype.transport}-good")
    await sip.answered(10)
    call = await skype.newest(mark)
    await skype.said.until(lambda: len(call.streams) == 2, "sound ports")
    return call, sip


async def ringing(
    skype: Standin, phone: SipAgent, handle: str = "bob"
) -> tuple[Call, SipCall]:
    """A call from Skype that rings at the phone."""
    phone.behaviour = Behaviour(answer_after_s=None)
    call = skype.ring(handle)
    return call, await phone.next_call(5)


async def taken(
    skype: Standin, phone: SipAgent, handle: str = "bob"
) -> tuple[Call, SipCall]:
    """A call from Skype, answered."""
    call, sip = await ringing(skype, phone, handle)
    await answer(skype, call, sip)
    return call, sip


async def answer(skype: Standin, call: Call, sip: SipCall) -> None:
    """Answer the phone, and wait until Skype is answered too."""
    sip.answer()
    await sip.answered(5)
    await skype.said.until(lambda: len(call.streams) == 2, "sound ports")


async def both_hear(skype: Standin, call: Call, sip: SipCall) -> None:
    """Return once the last 140 ms at each end are the other's tone."""
    sip.rtp.play(tone(PHONE_HZ, 3.0))
    await asyncio.gather(phone_hears(sip, VOICE_HZ), skype_hears(skype, call, PHONE_HZ))


async def phone_hears(sip: SipCall, hertz: float, seconds: float = 5) -> None:
    """Return once the last 140 ms at the phone are this tone."""
    packets = sip.rtp.received
    async with asyncio.timeout(seconds):
        while True:
            await sip.rtp.wait_for_audio(2, seconds)
            pcm = sound_of(packets[-7:]).samples.tobytes()
            if len(packets) >= 7 and share_of(pcm, hertz, RATE_HZ) > 0.9:
                return


async def skype_hears(
    skype: Standin, call: Call, hertz: float, seconds: float = 5
) -> None:
    """Return once the last 140 ms at Skype are this tone."""
    await skype.said.until(lambda: "INPUT" in call.streams, "sound to Skype", seconds)
    stream = call.streams["INPUT"]
    async with asyncio.timeout(seconds):
        while len(stream.heard) < 4480 or share_of(stream.heard[-4480:], hertz) < 0.9:
            await stream.more()
