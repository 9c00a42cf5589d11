"""What a client does before the step that a test is about."""

from __future__ import annotations

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import Join


async def attached_at(join: Join, level: int) -> Application:
    """An application that has asked for this protocol level."""
    app = await join()
    await app.attach(f"level {level}", level)
    return app


async def answered(
    app: Application, skype: Emulator, handle: str = "bob", **wishes: object
) -> int:
    """An incoming call that we have answered; its number."""
    number = await skype.ring(handle, **wishes)
    await app.status(number, "RINGING")
    await app.ask(f"ALTER CALL {number} ANSWER")
    await app.status(number, "INPROGRESS")
    return number
