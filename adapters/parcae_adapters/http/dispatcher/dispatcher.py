"""The loop of the dispatcher: take as much as there is room for, send it, report it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import socket
import ssl
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType

from parcae.deliveries import Attempt
from parcae.errors import Unavailable
from parcae.outbox_engine import OutboxEngine
from parcae.ports import Clock
from parcae.subscriptions import Subscription
from parcae.values import WorkerId, seconds
from parcae_adapters.http.dispatcher.lanes import Lanes, Taken
from parcae_adapters.http.dispatcher.racing import first
from parcae_adapters.http.dispatcher.reporter import Reporter
from parcae_adapters.http.dispatcher.sender import Sender
from parcae_adapters.http.dispatcher.settings import MARGIN, Settings
from parcae_adapters.http.elapsed import ElapsedClock
from parcae_adapters.http.guard import Guard
from parcae_adapters.http.outbound import SEALED, Sealed, sealed_by_environment

LOOK = seconds(5)
"""So long it waits at the most before it looks again, whatever wakes it."""
NAP = 0.02
"""Seconds between two looks that found nothing, however much happens that is not its business."""
GLANCE = 0.05
"""Seconds between two looks at the seal and the subscriptions."""
PAUSE = 1.0
"""Seconds after a store could not answer."""
SWEEP = 60.0
"""Seconds between two sweeps."""
STOPPED = "the sender was stopped before there was an answer"

log = logging.getLogger("parcae.dispatcher")


class Dispatcher:
    """Sends what is owed until :meth:`stop`.

    Several may run on one store, in one process or many: leases keep them apart.

    Args:
        engine: on the store.
        settings: how to send.
        name: who it says it is: unique among all.
        guard: where webhooks may go; by default what the settings allow.
        tls: in place of the certificates that the system trusts.
        clock: counts leases and waits; nobody may set it.

    Raises:
        ValueError: the settings do not fit together.
    """

    def __init__(
        self,
        engine: OutboxEngine,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.engine = engine
        self.settings = settings = settings or Settings()
        self.name = WorkerId(name or _unique_name())
        self.clock = clock or ElapsedClock()
        self.lanes = Lanes(settings.concurrency, settings.per_endpoint)
        self.sender = Sender(engine, settings, guard or Guard(settings.allowed), self._closed, tls)
        self._reporter = Reporter(engine, self.clock, self._reported)
        self._unreported = 0
        self._least = max(1, settings.concurrency // 4)
        self._sealed = False
        self._subscriptions: Mapping[str, Subscription] = {}
        self._requests = itertools.count(1)
        self._request: str | None = None
        self._sending: dict[asyncio.Task[None], Taken] = {}
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.Task[None] | None = None

    # Living

    def stop(self) -> None:
        """Take nothing more, and end once what is under way is over; a second call waits for
        nothing. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)
        else:
            self._stop()

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def __aenter__(self) -> Dispatcher:
        """Run beside what is in the block."""
        self._running = asyncio.create_task(self.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and wait until everything is over."""
        assert self._running is not None
        self.stop()
        await self._running

    async def run(self) -> None:
        """Send what is owed until :meth:`stop`; the caller closes the store after it."""
        self._loop = asyncio.get_running_loop()
        if self.settings.sealed or sealed_by_environment():
            await self._withhold()
            return
        log.info("dispatcher %s is ready", self.name)
        beside = [
            asyncio.create_task(one) for one in (self._reporter.run(), self._watch(), self._tidy())
        ]
        try:
            while not self._stopping.is_set():
                await self._turn()
            await self._drain()
        finally:
            for task in (*self._sending, *beside):
                task.cancel()
            await asyncio.gather(*self._sending, *beside, return_exceptions=True)
            await self.sender.close()

    async def _withhold(self) -> None:
        """Nothing may leave this process: have everybody see that what is owed is withheld."""
        reason = "sealed=True" if self.settings.sealed else f"{SEALED} is set"
        while not self._stopping.is_set():
            try:
                await self.engine.seal(by=self.name, reason=reason)
                break
            except Unavailable as error:
                log.warning("sealing: %s; repeating", error)
                await self._sleep(PAUSE)
        log.info("dispatcher %s is sealed: nothing is sent", self.name)
        await self._stopping.wait()

    def _closed(self) -> bool:
        return self._sealed

    # Taking

    async def _turn(self) -> None:
        """Take what there is room for, or wait until there may be something."""
        self._room.clear()
        asked = self.lanes.free - self._unreported
        if asked < self._least:
            await first(self._room.wait(), self._stopping.wait())
            return
        mark = self.engine.store.mark()
        try:
            taken = await self._take(asked)
            if not taken:
                await self._rest(mark)
        except Unavailable as error:
            log.warning("taking deliveries: %s; repeating", error)
            await self._sleep(PAUSE)
        except Exception:
            # One record that cannot be read must not end what sends all others.
            log.exception("taking deliveries failed; repeating")
            await self._sleep(PAUSE)

    async def _take(self, asked: int) -> int:
        if self._sealed:
            return 0
        if self._request is None:
            self._request = str(next(self._requests))
        settings, began, now = self.settings, self.clock.now(), self.engine.store.clock.now()
        found = await self.engine.take(
            self.name,
            request=self._request,
            limit=asked,
            each=self.lanes.each,
            room=self.lanes.rooms(began),
            lease=settings.lease,
        )
        # Only now: a request whose answer was lost is repeated, and gets the same ones.
        self._request = None
        for one in found:
            left = min(settings.lease, one.until - now) if one.repeated else settings.lease
            until = began + left
            begin = until - settings.timeout - MARGIN / 2
            self.lanes.add(Taken(dispatch=one, begin=begin, until=until))
        # One may have been removed since they were taken, and already be known to be.
        self._give_back(self.lanes.outdated(self._subscriptions))
        self._begin()
        return len(found)

    async def _rest(self, mark: int) -> None:
        """Wait for a commit, a place, an instant at which something is due, or the end."""
        store, now = self.engine.store, self.engine.store.clock.now()
        until = await store.next_delivery(now)
        limit = now + LOOK if until is None else min(until, now + LOOK)
        probe, here = self.lanes.next_probe(self.clock.now()), self.clock.now()
        await first(
            store.wait(mark, limit),
            self._room.wait(),
            self._stopping.wait(),
            within=None if probe is None else probe - here,
        )
        await self._sleep(NAP)

    # Sending

    def _begin(self) -> None:
        """Send whatever waits and has a place."""
        while (one := self.lanes.begin()) is not None:
            task = asyncio.create_task(self._send(one))
            self._sending[task] = one
            task.add_done_callback(self._sending.pop)

    async def _send(self, one: Taken) -> None:
        attempt: Attempt | None = None
        try:
            if self.clock.now() < one.begin and not self._sealed:
                attempt = await self.sender.send(one.dispatch)
        except Sealed:
            log.info("%s: sealed meanwhile, given back", one.dispatch.delivery)
        except asyncio.CancelledError:
            attempt = Attempt(error=STOPPED)
        except Exception as error:
            # Its text could hold anything; what it is and where it was does not.
            log.exception("%s: sending failed", one.dispatch.delivery)
            attempt = Attempt(error=f"not sent: {type(error).__name__}")
        self._over(one, attempt)

    def _over(self, one: Taken, attempt: Attempt | None) -> None:
        name = one.dispatch.subscription.name
        self._unreported += 1
        if attempt is None:
            self._reporter.release(one.dispatch, one.until)
        else:
            self._reporter.report(one.dispatch, attempt, one.until)
        if self.lanes.end(name, attempt, self.clock.now()):
            self._give_back(self.lanes.drop(name))
        if not self._stopping.is_set():
            self._begin()

    def _give_back(self, dropped: Iterable[Taken]) -> None:
        for one in dropped:
            self._unreported += 1
            self._reporter.release(one.dispatch, one.until)

    def _reported(self, number: int) -> None:
        self._unreported -= number
        if self.lanes.free - self._unreported >= self._least:
            self._room.set()

    # Beside it

    async def _watch(self) -> None:
        """See soon when the store is sealed, or a subscription removed, disabled or set anew, by
        whomever: then nothing begins that was taken before."""
        store = self.engine.store
        while True:
            mark = store.mark()
            try:
                seal, self._subscriptions = await self.engine.outgoing()
                self._sealed = seal.closed
                if self._sealed:
                    self._give_back(self.lanes.drop())
                else:
                    self._give_back(self.lanes.outdated(self._subscriptions))
                    self._room.set()
                await asyncio.sleep(GLANCE)
                await store.wait(mark, store.clock.now() + LOOK)
            except Exception as error:  # noqa: BLE001 - looked at again whatever it is
                log.warning("looking at the seal and the subscriptions: %s; repeating", error)
                await asyncio.sleep(PAUSE)

    async def _tidy(self) -> None:
        """Delete what was over long ago."""
        delivered, dead = self.settings.keep.ages
        while True:
            try:
                while await self.engine.sweep(delivered, dead):
                    pass
            except Exception as error:  # noqa: BLE001 - repeated whatever it is
                log.warning("sweeping deliveries: %s; repeating", error)
            await asyncio.sleep(SWEEP)

    # Ending

    async def _drain(self) -> None:
        """Give back what has not begun, wait for what has, and see that all of it is reported."""
        self._give_back(self.lanes.drop())
        await first(self._hurry.wait(), self._sent(), within=self.settings.drain)
        if self._sending:
            log.warning("%d tries are cut off: they are made again", len(self._sending))
            for task in self._sending:
                task.cancel()
            await self._sent()
        await first(self._hurry.wait(), self._reporter.flushed(), within=self.settings.lease)

    async def _sent(self) -> None:
        """Return once nothing is being sent."""
        if self._sending:
            await asyncio.wait(set(self._sending))

    async def _sleep(self, duration: float) -> None:
        await first(self._stopping.wait(), within=timedelta(seconds=duration))


def _unique_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"[:200]
