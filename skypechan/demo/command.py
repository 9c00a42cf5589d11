"""`skypechan demo`: everything is started, called, measured and reported."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from skypechan.demo.parts.desktop import TRANSPORTS
from skypechan.demo.report import Figures, Report, StepResult, tell, versions
from skypechan.demo.stage import Scene, Stage, scene, stage
from skypechan.demo.steps import SCENE_STEPS, STAGE_STEPS
from skypechan.errors import SkypechanError

_STEP_S = 60.0
_INTERRUPTED = 130

Sabotage = Callable[[Scene], Awaitable[None]]


def run(*, once: bool, as_json: bool) -> int:
    """Run the demonstration.

    Returns 0 if every step passed, 1 if not, 130 if it was interrupted before the end.
    """
    return asyncio.run(_run(once=once, as_json=as_json))


async def _run(*, once: bool, as_json: bool) -> int:
    _stop_in_order()
    tell("starting Asterisk, the phone, the messenger's emulator and the gateway ...")
    try:
        async with stage() as on:
            report = await rehearse(on, stay=not once, show_json=as_json)
    except (SkypechanError, OSError) as error:
        tell(f"skypechan demo: {error}")
        return 1
    except asyncio.CancelledError:
        tell("interrupted")
        return _INTERRUPTED
    return 0 if report.passed else 1


def _stop_in_order() -> None:
    """Let Ctrl-C and SIGTERM end this task, so that everything is put away."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def rehearse(
    on: Stage,
    *,
    stay: bool = False,
    show_json: bool = False,
    transports: tuple[str, ...] = TRANSPORTS,
    only: tuple[str, ...] = (),
    sabotage: Sabotage | None = None,
) -> Report:
    """Make the calls over each of the transports and return the report.

    `only` names the steps to make (all if empty), `sabotage` breaks something first:
    both are for the tests that show that a step fails for its own reason.
    """
    report = Report(versions(on.asterisk.installation.version))
    for transport in transports:
        async with scene(on, transport) as playing:
            if sabotage is not None:
                await sabotage(playing)
            if transport == transports[0]:
                for name, stage_step in STAGE_STEPS.items():
                    if not only or name in only:
                        report.add(await _outcome(name, "", stage_step(on)))
            for name, scene_step in SCENE_STEPS.items():
                if not only or name in only:
                    report.add(await _outcome(name, transport, scene_step(playing)))
                    await _clear(playing)
            if transport == transports[-1]:
                _finish(report, show_json)
                if stay:
                    await _stay(playing)
    return report


def _finish(report: Report, show_json: bool) -> None:
    failed = sum(not step.passed for step in report.steps)
    tell("every step passed" if report.passed else f"{failed} steps failed")
    if show_json:
        print(report.as_json(), flush=True)  # noqa: T201 - the result


async def _stay(playing: Scene) -> None:
    settings = playing.stage.asterisk.settings
    tell(f"the page: {playing.gateway.url}/   Ctrl-C ends everything")
    tell(f"your own phone: sipphone at 127.0.0.1:{settings.sip_port}, its password:")
    tell(f"  {settings.sip_secret}")
    task = asyncio.current_task()
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        # This is how it is left: the report stands.
        if task is not None:
            task.uncancel()


async def _outcome(name: str, transport: str, step: Awaitable[Figures]) -> StepResult:
    """Make a step; whatever goes wrong in it is its reason."""
    try:
        async with asyncio.timeout(_STEP_S):
            return StepResult(name, transport, True, await step)
    except SkypechanError as error:
        return StepResult(name, transport, False, {}, str(error))
    except TimeoutError:
        return StepResult(name, transport, False, {}, f"not done in {_STEP_S:g} s")


async def _clear(playing: Scene) -> None:
    """End what a step has left, also one that failed half-way."""
    try:
        await playing.quiet()
    except SkypechanError as error:
        tell(f"could not tidy up: {error}")
