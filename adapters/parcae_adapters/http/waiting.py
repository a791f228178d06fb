"""Waiting for a store's news on behalf of somebody at the other end of a connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aiohttp import web

from parcae_adapters.http.access import CHALLENGE
from parcae_adapters.http.app import ACCESS
from parcae_adapters.http.problems import DRAINING, OVERLOADED, UNAUTHENTICATED, Problem
from parcae_adapters.http.route import Call

T = TypeVar("T")

MOST_WAITING = 2_000
"""Requests that wait at once, in one process."""

LOOK = 1.0
"""Seconds between two looks at whether whoever asked is still there."""

PAUSE = 0.02
"""Seconds in which further commits are let come, before one looks what they have brought."""


class Crowd:
    """How many requests wait, and under which name this process counts its news."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.waiting = 0
        self._most = most
        self._name = secrets.token_hex(8)

    def mark(self, count: int) -> str:
        """``count`` as nobody but this process would say it: another one counts from elsewhere."""
        return f"{self._name}:{count}"

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be one of them within the block.

        Raises:
            Problem: there are as many as may be.
        """
        if self.waiting >= self._most:
            detail = f"{self._most} requests wait already: ask without waiting, or later"
            raise Problem(OVERLOADED, detail, headers={"Retry-After": "2"})
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


CROWD = web.AppKey("crowd", Crowd)


class Gone(Problem):
    """Whoever asked is not there any more: nothing is done for them."""


def still_there(call: Call) -> None:
    """Let one go on for whoever asked.

    Raises:
        Problem: they are gone, which reaches nobody; or their token is good for nothing by now.
    """
    transport = call.request.transport
    if transport is None or transport.is_closing():
        raise Gone(DRAINING, "the connection was closed while it waited: nothing was done")
    if not call.request.app[ACCESS].still(call.request, call.caller):
        raise Problem(UNAUTHENTICATED, "that token is not known here any more", headers=CHALLENGE)


async def news(call: Call, mark: int, until: float) -> bool:
    """Wait until there was a commit after ``mark``, or ``until`` by the loop's clock.

    Returns:
        whether it is worth while to go on: not at the end of the time, nor when the server stops.

    Raises:
        Problem: whoever asked is gone.
    """
    loop = asyncio.get_running_loop()
    coming = asyncio.ensure_future(call.engine.wait_for_news(mark))
    closing = asyncio.ensure_future(call.closing.wait())
    try:
        while not closing.done():
            still_there(call)
            left = until - loop.time()
            if left <= 0:
                return False
            waited = {coming, closing}
            await asyncio.wait(waited, timeout=min(left, LOOK), return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                coming.result()
                await asyncio.sleep(min(PAUSE, max(until - loop.time(), 0)))
                still_there(call)
                return True
        return False
    finally:
        for one in (coming, closing):
            one.cancel()
        await asyncio.gather(coming, closing, return_exceptions=True)


async def first(call: Call, coming: Awaitable[T], seconds: float) -> T | None:
    """What ``coming`` gives; ``None``: not within the time, or the server stops before.

    Raises:
        Problem: whoever asked is gone, or there are too many who wait.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    task = asyncio.ensure_future(coming)
    closing = asyncio.ensure_future(call.closing.wait())
    try:
        with call.request.app[CROWD].joined():
            while not task.done() and not closing.done() and (left := until - loop.time()) > 0:
                still_there(call)
                some = min(left, LOOK)
                await asyncio.wait(
                    {task, closing}, timeout=some, return_when=asyncio.FIRST_COMPLETED
                )
        return task.result() if task.done() else None
    finally:
        for one in (task, closing):
            one.cancel()
        await asyncio.gather(task, closing, return_exceptions=True)
