"""The bus of a process that has no database: it listens to ``/v1/events`` of a server that has."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Collection
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import aiohttp
from attrs import frozen

from parcae.errors import ParcaeError, Unavailable
from parcae.ports import Clock
from parcae.values import Instant, JobId
from parcae_adapters.clock import SystemClock
from parcae_adapters.http.outbound import CONNECT, client_session
from parcae_adapters.http.told import RESET
from parcae_adapters.wakeups import Wakeups

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as lost: three comments are missing."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds before a lost connection is made again: twice as many each time, up to this."""

NEWS = frozenset(
    {
        "parcae.job.completed",
        "parcae.job.failed",
        "parcae.job.cancelled",
        "parcae.job.compensated",
        "parcae.job.quarantined",
        "parcae.job.deleted",
        "parcae.group.group-ended",
    }
)
"""What whoever waits for one job or group waits for."""

log = logging.getLogger("parcae.http.bus")


@frozen
class Block:
    """One block of a stream: its id, its event and its data, each empty where it has none."""

    id: str
    event: str
    data: str


class HttpBus:
    """An :class:`parcae.ports.EventBus` over HTTP. Use it as an asynchronous context manager.

    It listens in a thread of its own, so that it may be awaited from any event loop. A connection
    that is lost is made again and goes on after the last event that came; meanwhile nobody is
    woken but by their instants. A commit without an event, such as a renewal, wakes nobody.

    Args:
        url: of the server, such as ``https://jobs.example:8443``.
        token: with the scope ``read``.
        clock: for the instants that are waited for; by default the system's.
    """

    def __init__(self, url: str, token: str, *, clock: Clock | None = None) -> None:
        self._url = url.rstrip("/") + "/v1/events"
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        self._wakeups = Wakeups(SystemClock() if clock is None else clock)
        self._first: Future[None] = Future()
        self._last = ""
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="parcae-events", daemon=True)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            Unavailable: the server cannot be reached, or refuses.
            Sealed: nothing may leave this process.
        """
        self._thread.start()
        try:
            await asyncio.wrap_future(self._first)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self.close()

    def mark(self) -> int:
        """How many commits were noticed so far."""
        return self._wakeups.mark()

    async def wait(
        self, mark: int, until: Instant | None = None, job_id: JobId | None = None
    ) -> int:
        """Return once there were more commits than ``mark``, or at ``until`` by the clock.

        Raises:
            Unavailable: it was closed.
        """
        return await self._wakeups.wait(mark, until, job_id)

    async def close(self) -> None:
        """Disconnect, and wake everybody; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            await asyncio.to_thread(self._thread.join)
        self._wakeups.close()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        try:
            self._task = self._loop.create_task(self._follow())
            self._loop.run_until_complete(asyncio.wait({self._task}))
        finally:
            self._loop.close()

    async def _follow(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async for block in self._listen():
                    pause = FIRST_PAUSE
                    self._heard(block)
                fault: BaseException = Unavailable(f"{self._url}: the stream has ended")
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, ParcaeError) as error:
                fault = error
            if not self._first.done():
                self._first.set_exception(_told(self._url, fault))
                return
            log.warning("%s: %s; connecting again in %.1f s", self._url, fault, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _listen(self) -> AsyncIterator[Block]:
        """The blocks of one connection, from after the last event on."""
        headers = {"Last-Event-ID": self._last} if self._last else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE)
        async with (
            client_session(headers=self._headers) as session,
            session.get(
                self._url, headers=headers, timeout=timeout, allow_redirects=False
            ) as response,
        ):
            if response.status != 200 or response.content_type != "text/event-stream":
                raise Unavailable(f"expected a stream of events, got status {response.status}")
            lines = response.content
            # Its first line comes once the server knows from where on it reads.
            await lines.readline()
            if not headers:
                # What came before the connection nobody tells: whoever waits looks once.
                self._wakeups.notify(None)
            if not self._first.done():
                self._first.set_result(None)
            async for block in _blocks(lines):
                yield block

    def _heard(self, block: Block) -> None:
        self._last = block.id or self._last
        if block.event == RESET:
            self._wakeups.notify(None)
        elif block.event:
            self._wakeups.notify(_ended(block))


def _told(url: str, fault: BaseException) -> BaseException:
    if isinstance(fault, ParcaeError) and not isinstance(fault, Unavailable):
        return fault
    return Unavailable(f"{url}: {str(fault) or type(fault).__name__}")


def _ended(block: Block) -> Collection[JobId]:
    return (JobId(json.loads(block.data)["subject"]),) if block.event in NEWS else ()


async def _blocks(lines: aiohttp.StreamReader) -> AsyncIterator[Block]:
    """Every block that is whole and says something (HTML Living Standard, 9.2.6).

    Raises:
        ValueError: a line is longer than any that our server writes, or no UTF-8.
    """
    said: dict[str, str] = {}
    while (line := await lines.readline()).endswith(b"\n"):
        text = line.decode().rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            said[name] = value.removeprefix(" ")
        elif said:
            yield Block(said.get("id", ""), said.get("event", ""), said.get("data", ""))
            said = {}
