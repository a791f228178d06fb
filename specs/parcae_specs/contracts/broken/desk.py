"""Stores that are wrong about what stands beside the jobs."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve as replace

from parcae.change import View
from parcae.ports import Named, Overdue, Page
from parcae.values import LAST_INSTANT, Instant, Status, WorkerId
from parcae.workers import KEPT, Presence
from parcae_specs.contracts.broken.base import Breakable


class ShortSighted(Breakable):
    """Who only looks is not shown the keys."""

    async def look(self, selection: Named | Overdue) -> View:
        """Without them."""
        return replace(await super().look(selection), keys={})


class Elephant(Breakable):
    """It forgets no worker, however long that has been gone."""

    async def enlist(self, presence: Presence) -> None:
        """With those that were there before put back."""
        before = await self.workers()
        await super().enlist(presence)
        for one in before:
            if one.until < presence.heard_at - KEPT:
                self._register._rows[one.id] = one


class Clingy(Breakable):
    """It lets no worker go."""

    async def dismiss(self, worker: WorkerId) -> None:
        """Nothing."""


class Premature(Breakable):
    """It finds ended jobs whenever they ended."""

    async def ended(
        self, status: Status, until: Instant, *, cursor: str = "", limit: int = 100
    ) -> Page:
        """All of them."""
        return await super().ended(status, max(until, LAST_INSTANT), cursor=cursor, limit=limit)


class Sweeper(Breakable):
    """It deletes keys of all scopes."""

    async def expire(self, scopes: Collection[str], before: Instant, limit: int = 1_000) -> int:
        """Of those of rates, too."""
        return await super().expire({*scopes, "rate"}, before, limit)


class Hasty(Breakable):
    """It deletes keys that still count."""

    async def expire(self, scopes: Collection[str], before: Instant, limit: int = 1_000) -> int:
        """Before their time."""
        return await super().expire(scopes, max(before, LAST_INSTANT), limit)
