"""A command of the operating system that runs under a lease."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum

from attrs import frozen

from parcae.answers import Granted, Renewed
from parcae.commands import Renew
from parcae.errors import Conflict, Unavailable
from parcae.handle import Held
from parcae.host_engine import HostEngine
from parcae.values import Error

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Whoever asks us to stop means the command."""


class Stopped(StrEnum):
    """Why a command was stopped before its end."""

    CANCELLED = "somebody asked for it to stop"
    LOST = "its lease was lost, or its time was over"


@frozen(kw_only=True)
class Finished:
    """How a command ended.

    Attributes:
        error: what was wrong; ``None``: exit code 0.
        stopped: why we had stopped it; ``None``: it ended by itself.
    """

    error: Error | None = None
    stopped: Stopped | None = None


class Command:
    """Runs a command, and renews the lease for as long as it runs.

    Args:
        host: what the lease is of.
        granted: the lease.
        words: the command, and its arguments.
    """

    def __init__(self, host: HostEngine, granted: Granted, words: Sequence[str]) -> None:
        self._host = host
        self._granted = granted
        self._words = words

    async def run(self) -> Finished:
        """Run it to its end, or stop it when the lease is gone or a cancel is requested."""
        try:
            process = await asyncio.create_subprocess_exec(*self._words)
        except OSError as error:
            message = f"{self._words[0]} cannot be run: {error.strerror or error}"
            return Finished(error=Error(type="command.NotRun", message=message))
        loop = asyncio.get_running_loop()
        for number in FORWARDED:
            loop.add_signal_handler(number, _forward, process, number)
        try:
            stopped = await self._watch(process)
        finally:
            for number in FORWARDED:
                loop.remove_signal_handler(number)
        return Finished(error=_error(self._words[0], await process.wait()), stopped=stopped)

    async def _watch(self, process: asyncio.subprocess.Process) -> Stopped | None:
        timing = self._granted.job.spec.timing
        loop = asyncio.get_running_loop()
        renewal, over = timing.renewal.total_seconds(), loop.time() + timing.attempt.total_seconds()
        while True:
            # A hard timeout may come before the next renewal, and there may be nobody else to see
            # it: cron starts no reconciler.
            left = over - loop.time()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), min(renewal, max(left, 0.0)))
                return None
            stopped = Stopped.LOST if loop.time() >= over else await self._renewed()
            if stopped is not None:
                break
        _forward(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), timing.cancel_grace.total_seconds() / 2)
        except TimeoutError:
            _forward(process, signal.SIGKILL)
        return stopped

    async def _renewed(self) -> Stopped | None:
        held = Held(job_id=self._granted.job.id, command=Renew(token=self._granted.lease.token))
        try:
            (answer,) = await self._host.renew((held,))
        except Unavailable:
            return None  # The lease lasts for several renewals: the next one may succeed.
        if isinstance(answer, Renewed):
            return Stopped.CANCELLED if answer.cancel_requested else None
        return None if isinstance(answer, Conflict) else Stopped.LOST


def _forward(process: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


def _error(name: str, code: int) -> Error | None:
    if code == 0:
        return None
    if code > 0:
        return Error(type="command.Failed", message=f"{name} exited with code {code}")
    return Error(
        type="command.Killed", message=f"{name} was killed by {signal.Signals(-code).name}"
    )
