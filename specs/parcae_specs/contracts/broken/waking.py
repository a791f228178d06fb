"""Stores that let somebody sleep, or are there for one event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from parcae.change import Change
from parcae.ports import Committed, Rule, Selection
from parcae.values import Instant, JobId
from parcae_specs.contracts.broken.base import Breakable


class Mute(Breakable):
    """Counts commits, and wakes nobody."""

    def wake(self, written: Sequence[Change]) -> None:
        """Only the count."""
        del written
        self._bus._mark += 1


class EdgeTriggered(Breakable):
    """Wakes those who wait already: a commit just before the wait is slept through."""

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """From now on."""
        del mark
        return await super().wait(self._bus.mark(), until, job_id)


class OneLoop(Breakable):
    """Locks with a lock of the event loop that was first."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def transact(self, selection: Selection, rule: Rule) -> Committed:
        """Refuse any other loop, as such a lock does."""
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if loop is not self._loop:
            raise RuntimeError("the lock is bound to a different event loop")
        return await super().transact(selection, rule)


class Busy(Breakable):
    """Returns from every wait at once: whoever waits spins."""

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Now."""
        del mark, until, job_id
        await asyncio.sleep(0)
        return self._bus.mark()
