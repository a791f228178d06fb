"""Calling a handler in a process of its own, which can be killed whatever it does.

The process is spawned, not forked: it shares neither threads nor locks nor open stores with the
worker, and works alike on Linux and macOS, whatever the default start method is.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from attrs import evolve as replace

from parcae.commands import Progress
from parcae.context import Context
from parcae.definitions import Isolation
from parcae.handlers import Handler
from parcae.payloads import load
from parcae.values import Error
from parcae_adapters.worker.calls import CutOff, Done, Raised
from parcae_adapters.worker.child import STOP, Task, located, serve

_SPAWN = multiprocessing.get_context("spawn")

LAST = 1.0
"""Seconds between the request to end and the kill, for what does not mind the former."""


class IsolatedCall:
    """One call of a handler in a process of its own."""

    def __init__(
        self,
        handler: Handler,
        context: Context,
        arguments: Mapping[str, Any],
        isolation: Isolation,
        say: Callable[[Progress], None],
    ) -> None:
        """Start the process.

        Raises:
            TypeError: the handler cannot be found by its name, so no other process can call it.
        """
        self._loop = asyncio.get_running_loop()
        self._isolation = isolation
        self._say = say
        self._stopping = False
        self._future: asyncio.Future[Done | Raised | CutOff] = self._loop.create_future()
        ours, theirs = _SPAWN.Pipe()
        self._pipe: Connection = ours
        task = Task(
            where=located(handler),
            # What refers to this process stays here.
            context=replace(context, stopping=_never, progress=_nobody),
            arguments=dict(arguments),
            isolation=isolation,
        )
        self._process = _SPAWN.Process(
            target=serve, args=(task, theirs), daemon=True, name="parcae-handler"
        )
        threading.Thread(target=self._watch, args=(theirs,), daemon=True).start()

    def cancel(self) -> None:
        """Ask it to stop; after the grace it is told to end, and then killed."""
        if self._stopping:
            return
        self._stopping = True
        with suppress(OSError, ValueError):
            self._pipe.send(STOP)
        grace = self._isolation.grace.total_seconds()
        self._loop.call_later(grace, self._end, signal.SIGTERM)
        self._loop.call_later(grace + LAST, self._end, signal.SIGKILL)

    async def outcome(self) -> Done | Raised | CutOff:
        """How it ended. If whoever waits here is cancelled, the process is killed."""
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            self._stopping = True
            self._end(signal.SIGKILL)
            raise

    def _end(self, number: signal.Signals) -> None:
        """Signal the handler's whole group, so that what it has started ends too."""
        pid = self._process.pid
        if self._future.done() or pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
            return
        # It has no group of its own yet.
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def _watch(self, theirs: Connection) -> None:
        outcome: Done | Raised | CutOff | None = None
        try:
            self._process.start()
            theirs.close()
            outcome = self._listen()
            self._process.join()
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must hear of it
            outcome = Raised(Error(type="RuntimeError", message=f"no process: {error}"))
        found = outcome if outcome is not None else self._died()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, found)

    def _listen(self) -> Done | Raised | CutOff | None:
        """What the process says, until it ends; ``None``: it ended without a word."""
        outcome: Done | Raised | CutOff | None = None
        while True:
            try:
                said = self._pipe.recv()
            except (EOFError, OSError):
                return outcome
            if isinstance(said, Progress):
                self._loop.call_soon_threadsafe(self._say, said)
            elif isinstance(said, bytes):
                outcome = Done(load(said))
            else:
                outcome = said

    def _died(self) -> Raised | CutOff:
        """It ended without an answer: because we made it, or by itself."""
        if self._stopping:
            return CutOff()
        code = self._process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = f"signal {signal.Signals(-code).name}"
        message = f"the handler's process ended by {how} without an answer"
        return Raised(Error(type="parcae.HandlerDied", message=message))

    def _settle(self, outcome: Done | Raised | CutOff) -> None:
        self._pipe.close()
        if not self._future.done():
            self._future.set_result(outcome)


def _never() -> bool:
    return False


def _nobody(_: Progress) -> None:
    return None
