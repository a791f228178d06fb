"""Says what came of tries, many in one commit, and insists on it until their leases end."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from attrs import frozen

from parcae.deliveries import Attempt, Release, Report
from parcae.errors import LeaseLost, ParcaeError, Unavailable
from parcae.outbox import Dispatch
from parcae.outbox_engine import OutboxEngine
from parcae.ports import Clock
from parcae.settling import Said
from parcae.values import Instant

MOST = 200
"""In one commit."""
PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two tries to report, doubled each time."""

log = logging.getLogger("parcae.dispatcher")


@frozen(kw_only=True)
class Entry:
    """What is to be said, and until when it counts."""

    said: Said
    until: Instant


class Reporter:
    """A queue of what is to be said. It is bounded by whoever puts in: see ``done``.

    Args:
        engine: is told.
        clock: by which leases end; nobody may set it.
        done: is told how many entries are settled, or past hope.
    """

    def __init__(self, engine: OutboxEngine, clock: Clock, done: Callable[[int], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._done = done
        self._waiting: deque[Entry] = deque()
        self._put = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def report(self, one: Dispatch, attempt: Attempt, until: Instant) -> None:
        """What came of a try."""
        command = Report(token=one.token, attempt=attempt)
        self._add(Entry(said=Said(delivery=one.delivery, command=command), until=until))

    def release(self, one: Dispatch, until: Instant) -> None:
        """It was not sent."""
        command = Release(token=one.token)
        self._add(Entry(said=Said(delivery=one.delivery, command=command), until=until))

    def _add(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._idle.clear()
        self._put.set()

    async def flushed(self) -> None:
        """Return once everything is said, or past hope."""
        await self._idle.wait()

    async def run(self) -> None:
        """Say what is put in, until cancelled."""
        while True:
            await self._put.wait()
            self._put.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                await self._insist(batch)
                self._done(len(batch))
            self._idle.set()

    async def _insist(self, batch: Sequence[Entry]) -> None:
        pause = PAUSE
        while batch:
            try:
                await self._settle(batch)
            except Unavailable as error:
                log.warning("%d reports: %s; repeating", len(batch), error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                batch = self._hopeful(batch)
            except Exception:
                # Whatever it is of one, the others must not suffer for it.
                log.exception("%d reports failed", len(batch))
                if len(batch) > 1:
                    for one in batch:
                        await self._insist([one])
                return
            else:
                return

    def _hopeful(self, batch: Sequence[Entry]) -> Sequence[Entry]:
        """Those whose leases have not ended: the others are sent again by somebody."""
        now = self._clock.now()
        kept = [one for one in batch if now < one.until]
        for one in batch:
            if one.until <= now:
                log.error("%s: its lease ended before it could be reported", one.said.delivery)
        return kept

    async def _settle(self, batch: Sequence[Entry]) -> None:
        answers = await self._engine.settle([one.said for one in batch])
        for one, answer in zip(batch, answers, strict=True):
            if isinstance(answer, LeaseLost):
                log.warning("%s: reported too late, somebody else has it", one.said.delivery)
            elif isinstance(answer, ParcaeError):
                log.warning("%s: %s", one.said.delivery, answer)
