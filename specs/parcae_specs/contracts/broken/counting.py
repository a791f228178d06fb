"""Stores whose statistics are wrong."""

from __future__ import annotations

import asyncio

from attrs import evolve as replace

from parcae.admission import order
from parcae.survey import Scope, Standing, Survey, Tally
from parcae.values import JobId
from parcae_specs.contracts.broken.base import Breakable


class TwoInstants(Breakable):
    """It counts what ended after it has counted what has not."""

    async def survey(self, scope: Scope) -> Survey:
        """Made of two."""
        alive = await super().survey(scope)
        for _ in range(5):
            await asyncio.sleep(0)
        later = await super().survey(scope)
        queues = {
            name: replace(tally, ended=later.queues[name].ended)
            for name, tally in alive.queues.items()
        }
        return replace(alive, queues=queues)


class SumsOfTheListed(Breakable):
    """What it does not list it does not count."""

    async def survey(self, scope: Scope) -> Survey:
        """With sums of the listed lanes alone."""
        found = await super().survey(scope)
        queues = {
            name: sum((one for lane, one in found.lanes.items() if lane.queue == name), Tally())
            for name in found.queues
        }
        return replace(found, queues=queues)


class AgelessLine(Breakable):
    """It says who goes first as if nobody aged."""

    async def standing(self, job_id: JobId) -> Standing | None:
        """By priority and place alone."""
        found = await super().standing(job_id)
        if found is None or found.offer is None:
            return found
        mine = order(found.offer)
        others = [row.offer for row in self._shelves.rows.values() if row.offer is not None]
        due = [one for one in others if one.at <= found.now and one.lane.queue == found.queue.name]
        ahead = [one for one in due if order(one) < mine]
        mine_alone = sum(one.lane == found.offer.lane for one in ahead)
        return replace(found, ahead_in_queue=len(ahead), ahead=mine_alone)
