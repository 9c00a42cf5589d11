"""`skypechan demo`: everything is started, called, measured and reported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from skypechan.demo.parts.desktop import TRANSPORTS
from skypechan.demo.report import Figures, Report, StepResult, tell, versions
from skypechan.demo.stage import Scene, Stage, scene, stage
from skypechan.demo.steps import SCENE_STEPS, STAGE_STEPS
from skypechan.errors import SkypechanError

_STEP_S = 60.0

Sabotage = Callable[[Scene], Awaitable[None]]


def run(*, once: bool, as_json: bool) -> int:
    """Run the demonstration; return 0 if every step passed, else 1."""
    return asyncio.run(_run(once=once, as_json=as_json))


async def _run(*, once: bool, as_json: bool) -> int:
    tell("starting Asterisk, the phone, the messenger's emulator and the gateway ...")
    try:
        async with stage() as on:
            report = await rehearse(on, stay=not once, show_json=as_json)
    except SkypechanError as error:
        tell(f"skypechan demo: {error}")
        return 1
    return 0 if report.passed else 1


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
    await asyncio.get_running_loop().create_future()


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
