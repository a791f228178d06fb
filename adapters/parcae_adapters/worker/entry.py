"""A worker's entry in the register: that it is there, what it can run, what does not stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from attrs import evolve as replace

from parcae.employer import Registrar
from parcae.errors import ParcaeError
from parcae.ports import Clock
from parcae.values import WorkerId
from parcae.workers import ENLIST_EVERY, Presence, until

T = TypeVar("T")
log = logging.getLogger("parcae.worker")

TIDY_EVERY = 60.0
"""Seconds between two looks for keys that are over."""

BATCH = 1_000
"""Of those, so many are deleted in one commit."""

FAREWELL = 1.0
"""Seconds that striking oneself out may take: a locked database keeps nobody from stopping."""

State = tuple[bool, int]
"""Whether the worker drains, and how many handlers go on although their lease is gone."""


def described(
    name: WorkerId,
    kinds: frozenset[str],
    queues: frozenset[str] | None,
    capacity: int,
    clock: Clock,
) -> Presence:
    """What a worker of this process says of itself when it starts."""
    now = clock.now()
    return Presence(
        id=name,
        host=socket.gethostname()[:200],
        pid=os.getpid(),
        kinds=tuple(kinds),
        queues=None if queues is None else tuple(queues),
        capacity=capacity,
        started_at=now,
        heard_at=now,
        until=until(now),
        version=_version(),
    )


def _version() -> str:
    try:
        return version("parcae")
    except PackageNotFoundError:  # a source tree that is not installed
        return ""


class Entry:
    """Keeps the register up to date; whatever goes wrong with that keeps nobody from working."""

    def __init__(
        self,
        registrar: Registrar,
        presence: Presence,
        state: Callable[[], State],
        every: timedelta = ENLIST_EVERY,
    ) -> None:
        self._registrar = registrar
        self._presence = presence
        self._state = state
        self._every = every
        self._said: State | None = None
        self._heard_at = presence.heard_at
        self._again_at = self._tidy_at = 0.0

    async def tick(self, now: float) -> None:
        """Say what is new, at once; and that one is there, now and then.

        Args:
            now: seconds, by a clock that nobody sets.
        """
        state = self._state()
        # What was said by a clock that went back since looks as if it were said in the future.
        back = self._registrar.clock.now() < self._heard_at
        if state != self._said or back or now >= self._again_at:
            self._tell(state)
            self._said, self._again_at = state, now + self._every.total_seconds()
            await self._try(self._enlist(state))
        if now >= self._tidy_at:
            tidied = await self._try(self._registrar.tidy(BATCH))
            # Where there are more of them, the next batch follows with the next tick.
            self._tidy_at = now if tidied == BATCH else now + TIDY_EVERY

    async def strike_out(self) -> None:
        """The worker has stopped, and left nothing behind."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._try(self._registrar.dismiss(self._presence.id)), FAREWELL)

    async def _enlist(self, state: State) -> None:
        draining, abandoned = state
        now = self._heard_at = self._registrar.clock.now()
        said = replace(
            self._presence,
            heard_at=now,
            until=until(now, self._every),
            draining=draining,
            abandoned=abandoned,
        )
        await self._registrar.enlist(said)

    async def _try(self, call: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await call
        except ParcaeError as error:
            log.warning("worker %s: the register: %s", self._presence.id, error)
            return None

    def _tell(self, state: State) -> None:
        """Somebody has to know that threads cannot be stopped from outside."""
        before = 0 if self._said is None else self._said[1]
        abandoned, capacity = state[1], self._presence.capacity
        if abandoned <= before:
            return
        log.error(
            "worker %s: %d of its %d places are kept by handlers that go on although their lease "
            "is gone%s",
            self._presence.id,
            abandoned,
            capacity,
            ": it takes no more jobs; restart it" if abandoned >= capacity else "",
        )
