"""The channel that waits in `skypechan.conf`, and how it is moved on.

Each move is an AMI Redirect to an extension of that file, which the Gosub that the
channel is in survives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import Action, Getvar, Redirect, Setvar
from skypechan.asterisk.introduction import Presence
from skypechan.call.causes import DialStatus, HangupCause, meaning
from skypechan.clock import Clock
from skypechan.errors import CallError, CommandError, LinkDownError, LinkError

# A Redirect that follows another within milliseconds finds the channel still moving: it
# is refused, or it changes the extension that Asterisk looks up just then, and the call
# ends (one in ten thousand; Asterisk: pbx.c, __ast_pbx_run). A rest between the two
# lets the channel arrive.
_REST_S = 0.02
_MOVING = "channel not up"
# What Setvar and Redirect say of a channel that has ended. The event of its end, which
# knows why, may be still on its way.
_GONE = ("No such channel", "Channel does not exist")
_MOVED_S = 1.0
_LOOK_AGAIN_S = 0.005
# Longer than a caller waits who was never told for how long.
_TELL_TIMES, _TELL_AGAIN_S = 180, 1.0


async def ask(link: AmiLink, *actions: Action) -> None:
    """Send actions in one go.

    Raises CallError when the channel is gone, LinkError without Asterisk.
    """
    answers = await asyncio.gather(
        *(link.send(action) for action in actions), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, CommandError):
            raise CallError(
                HangupCause.NORMAL_UNSPECIFIED, f"Asterisk: {answer}"
            ) from answer
        if isinstance(answer, BaseException):
            raise answer


class WaitingChannel:
    """One waiting channel. `is_over` tells when nothing is to be moved any more.

    Methods raise as `ask` does. A channel that cannot be moved for want of a link is
    lost to us; `on_lost` is told so first.
    """

    def __init__(
        self,
        link: AmiLink,
        clock: Clock,
        channel: str,
        uuid: str,
        is_over: Callable[[], bool],
        on_lost: Callable[[str], None],
    ) -> None:
        self._link = link
        self._clock = clock
        self._channel = channel
        self._uuid = uuid
        self._is_over = is_over
        self._on_lost = on_lost
        self._moved_s = -_REST_S
        self._extension = ""

    async def take(self, ring_seconds: float, ours: Presence) -> None:
        """Let it wait on, for us."""
        seconds = {dialplan.SECONDS: str(round(ring_seconds) or 1)}
        await self._move(dialplan.TAKEN, seconds | ours.of_channel())

    async def ring(self) -> None:
        """Let it hear ringing, and no longer what the audio channel plays."""
        heard = self._extension == dialplan.EARLY
        await self._move(dialplan.RINGBACK if heard else dialplan.RINGING, {})

    async def hear_early(self) -> None:
        """Let it hear, unanswered, what the audio channel plays."""
        await self._move(dialplan.EARLY, {})

    async def settle(
        self, status: DialStatus, cause: HangupCause, reason: str, audio: str = ""
    ) -> None:
        """Let its Gosub return with a result.

        An answered channel that hears early media is joined with its `audio` channel.
        """
        text = dialplan.plain_reason(reason or meaning(cause).text)
        variables = {
            f"__{dialplan.STATUS}": status.value,
            f"__{dialplan.CAUSE}": str(int(cause)),
            f"__{dialplan.REASON}": text,
        }
        if audio:
            variables[dialplan.EARLY_AUDIO] = audio
        await self._move(dialplan.RETURN, variables)

    async def let_go(self) -> None:
        """Have its dialplan give us up, as soon as Asterisk can be told that.

        The channel may have gone on meanwhile, and wait for another call.
        """
        for _ in range(_TELL_TIMES):
            with contextlib.suppress(LinkError):
                uuid = Getvar(dialplan.UUID_OF_CALL, self._channel)
                if (await self._link.send(uuid)).value == self._uuid:
                    over = Setvar(self._channel, dialplan.TAKEN_BY, "")
                    await self._link.send(over)
                return
            await self._clock.sleep(_TELL_AGAIN_S)

    async def _move(self, extension: str, variables: dict[str, str]) -> None:
        await self._rest()
        try:
            await self._redirect(extension, variables)
        except LinkError as error:
            self._on_lost(str(error))
            raise
        self._moved_s, self._extension = self._clock.monotonic_s(), extension
        # For a Redirect that met a Goto: see `taken` in skypechan.conf. The channel may
        # have gone on and ended meanwhile.
        with contextlib.suppress(CallError, LinkError):
            step = f"{self._uuid}/{dialplan.STEPS[extension]}/{extension}"
            await ask(self._link, Setvar(self._channel, dialplan.STEP, step))

    async def _redirect(self, extension: str, variables: dict[str, str]) -> None:
        redirect = Redirect(self._channel, dialplan.CONTEXT, extension)
        settings = [
            Setvar(self._channel, name, value) for name, value in variables.items()
        ]
        try:
            await self._ask_again_after_a_break(extension, *settings, redirect)
        except CallError as refusal:
            await self._outlast(refusal, redirect)

    async def _ask_again_after_a_break(self, extension: str, *actions: Action) -> None:
        """Ask, once more over a link that broke meanwhile and is back in a moment.

        Whether Asterisk did it is then unknown. To be moved to where it waits already
        does a channel no harm; one that has returned must not be pulled back.
        """
        try:
            await ask(self._link, *actions)
        except LinkDownError:
            if extension == dialplan.RETURN or self._is_over():
                raise
            await ask(self._link, *actions)

    async def _rest(self) -> None:
        left_s = self._moved_s + _REST_S - self._clock.monotonic_s()
        if left_s > 0:
            await self._clock.sleep(left_s)

    async def _outlast(self, refusal: CallError, redirect: Redirect) -> None:
        """Repeat a Redirect until the one before it has taken effect.

        Of a channel that is gone the end is waited for, so that it is told and not our
        failure.
        """
        late_s = self._clock.monotonic_s() + _MOVED_S
        while any(text in refusal.reason for text in (_MOVING, *_GONE)):
            if self._is_over():
                raise CallError(HangupCause.NORMAL_CLEARING, "the caller gave up")
            if self._clock.monotonic_s() > late_s:
                break
            await self._clock.sleep(_LOOK_AGAIN_S)
            if _MOVING in refusal.reason:
                try:
                    await ask(self._link, redirect)
                except CallError as error:
                    refusal = error
                else:
                    return
        raise refusal
