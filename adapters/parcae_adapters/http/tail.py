"""The one follower of a store's log in this process, and the many that read along with it.

What it has read lately stands in one window for all of them; each remembers only how far it has
come. Who comes from further back reads pages of the log until it has reached the window, and then
goes on from there: the position tells where, so that nothing is lost between the two or told twice.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from parcae.cloudevents import SOURCE, wanted
from parcae.errors import ParcaeError
from parcae.filters import Filter
from parcae.ports import Store
from parcae.values import Position
from parcae_adapters.http.told import Teller, Told, reset

PAGE = 200
"""Events that are read at once."""

WINDOW = 4_096
"""Events that are kept for those who read along: whoever is further behind is cut off."""

WINDOW_BYTES = 16 * 1024 * 1024
"""The same in bytes; twice as many may be there before the older half goes."""

CATCHING_UP = 64
"""Jobs that somebody who reads pages of the log has in mind."""

TICK = timedelta(seconds=5)
"""How often those who wait are woken although nothing has happened."""

PAUSE = 1.0
"""Seconds before a store that could not answer is asked again."""

log = logging.getLogger("parcae.http.events")


class Behind(Exception):
    """It has read too slowly: what comes next stands in the window no more."""


class Ended(Exception):
    """Nothing is followed any more: the server stops, or the log cannot be read."""


class Tail:
    """Follows a log for as long as anybody reads along. For one event loop.

    Args:
        store: whose log.
        closing: set when the server stops: then all reading ends.
        source: who tells, as a URI reference.
        window: how many events are kept.
        tick: how often those who wait are woken at the least.
    """

    def __init__(
        self,
        store: Store,
        *,
        closing: asyncio.Event | None = None,
        source: str = SOURCE,
        window: int = WINDOW,
        tick: timedelta = TICK,
    ) -> None:
        self.store = store
        self.readers = 0
        self._closing = asyncio.Event() if closing is None else closing
        self.source = source
        self._most = window
        self._tick = tick.total_seconds()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._start = asyncio.Lock()
        self._restart()

    def _restart(self, at: Position = Position(0)) -> None:
        self._window: list[Told] = []
        self._size = 0
        self._oldest = self.position = at

    @asynccontextmanager
    async def reader(
        self, after: Position | None, choice: Filter | None = None
    ) -> AsyncIterator[Reader]:
        """Read along within the block.

        Args:
            after: go on after this position; ``None``: with what happens from now on.
            choice: what counts; ``None``: everything.

        Raises:
            Unavailable: the store could not answer.
        """
        self.readers += 1
        try:
            async with self._start:
                extent = await self.store.extent()
                if self._task is None or self._task.done():
                    self._restart(extent.head)
                    self._task = asyncio.create_task(self._run())
            yield Reader(self, after, extent.head, choice or Filter())
        finally:
            self.readers -= 1
            if not self.readers and self._task is not None:
                self._task.cancel()
                self._task = None
                self._restart()

    def since(self, position: Position) -> Sequence[Told] | None:
        """What has happened after a position; ``None``: that is no longer in the window."""
        if position < self._oldest:
            return None
        return self._window[bisect_right(self._window, position, key=_position) :]

    async def news(self) -> None:
        """Return once there may be something new, or a tick has passed.

        Raises:
            Ended: there will be nothing new.
        """
        if self._task is None or self._task.done() or self._closing.is_set():
            raise Ended
        await self._news.wait()

    async def _run(self) -> None:
        teller = Teller(self.store, self.source)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while not self._closing.is_set():
                await self._turn(teller, closing)
        except Exception:
            # Whoever reads comes back, and the next one starts it anew.
            log.exception("the log can be followed no further than %s", self.position)
        finally:
            closing.cancel()
            self._wake()

    async def _turn(self, teller: Teller, closing: asyncio.Task[Any]) -> None:
        mark = self.store.mark()
        try:
            await self._catch_up(teller)
        except ParcaeError as error:
            log.warning("the log could not be read after %s: %s", self.position, error)
            await asyncio.wait({closing}, timeout=PAUSE)
            return
        coming = asyncio.ensure_future(self.store.wait(mark))
        try:
            while not (coming.done() or closing.done()):
                both: set[asyncio.Task[Any]] = {coming, closing}
                await asyncio.wait(both, timeout=self._tick, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    self._wake()
            if coming.done():
                coming.result()
        finally:
            coming.cancel()

    async def _catch_up(self, teller: Teller) -> None:
        while True:
            page = await teller.page(self.position, PAGE)
            if page.reached == self.position:
                return
            self._window += page.told
            self._size += sum(len(one.frame) for one in page.told)
            self.position = page.reached
            self._trim()
            self._wake()

    def _trim(self) -> None:
        # By halves, so that each event is moved once or twice in its life, and not every time.
        while len(self._window) > 2 * self._most or self._size > 2 * WINDOW_BYTES:
            half = len(self._window) // 2
            self._oldest = self._window[half - 1].position
            del self._window[:half]
            self._size = sum(len(one.frame) for one in self._window)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Reader:
    """One that reads along.

    Attributes:
        position: up to where it was given everything.
    """

    def __init__(self, tail: Tail, after: Position | None, head: Position, choice: Filter) -> None:
        self.position = head if after is None else after
        self._tail = tail
        self._all = choice == Filter()
        self._choice = choice
        self._live = False
        self._teller: Teller | None = None
        # Of another log than this, or of one that was taken back to an earlier state.
        self._strange = self.position > head
        self._head = head

    async def more(self) -> Sequence[Told]:
        """What comes next; empty: nothing that counts, or nothing at all, but a tick has passed.

        Raises:
            Behind: it was reading along, and did not keep up.
            Ended: there is nothing to come.
            Unavailable: the store could not answer.
        """
        if self._strange:
            self._strange = False
            return self._chosen([reset(self.position, self._head)], self._head)
        found = self._tail.since(self.position)
        if found is None:
            return await self._page()
        self._live, self._teller = True, None
        if self._tail.position <= self.position:
            await self._tail.news()
            return ()
        return self._chosen(found, self._tail.position)

    async def _page(self) -> Sequence[Told]:
        if self._live:
            raise Behind
        if self._teller is None:
            self._teller = Teller(self._tail.store, self._tail.source, CATCHING_UP)
        page = await self._teller.page(self.position, PAGE)
        return self._chosen(page.told, page.reached)

    def _chosen(self, told: Sequence[Told], reached: Position) -> Sequence[Told]:
        self.position = reached
        if self._all:
            return told
        return [one for one in told if one.about is None or wanted(self._choice, one.about)]


def _position(one: Told) -> Position:
    return one.position
