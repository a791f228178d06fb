"""What a survey must say, counted again from the jobs themselves, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parcae.effects import Offer
from parcae.ports import Query, Store
from parcae.queues import Queue
from parcae.saga import resume
from parcae.state import Stored
from parcae.survey import Scope, Survey, Tally, tallied
from parcae.values import Instant, JobId, Lane


async def every_job(store: Store) -> Sequence[Stored]:
    """All jobs, page by page."""
    found: list[Stored] = []
    cursor = ""
    while True:
        page = await store.find(Query(limit=1_000, cursor=cursor))
        found += page.jobs
        cursor = page.cursor
        if not cursor:
            return found


def recounted(
    jobs: Sequence[Stored], scope: Scope, queues: Mapping[str, Queue], now: Instant
) -> Mapping[Lane, Tally]:
    """The lanes with jobs that count, by what the kernel says of each job."""
    lanes: dict[Lane, Tally] = {}
    for stored in jobs:
        lane = stored.job.spec.lane
        one = tallied(now, scope, stored, offer_of(stored, queues.get(lane.queue)))
        wanted = scope.queues is None or lane.queue in scope.queues
        if wanted and (one.alive or one.ended):
            lanes[lane] = lanes.get(lane, Tally()) + one
    return lanes


def offer_of(stored: Stored, queue: Queue | None) -> Offer | None:
    """What is offered of a job; ``None``: nothing."""
    offers = (one for one in resume(stored, queue) if isinstance(one, Offer))
    return next(offers, None)


async def checked(store: Store, scope: Scope) -> Survey:
    """A survey that fits to the jobs, of a store where nobody else commits meanwhile."""
    survey, jobs = await store.survey(scope), await every_job(store)
    lanes = recounted(jobs, scope, survey.settings, survey.now)
    assert survey.lanes == lanes, f"Store 15: counted {survey.lanes}, there is {lanes}"
    for name, tally in survey.queues.items():
        mine = [one for lane, one in lanes.items() if lane.queue == name]
        assert tally == sum(mine, Tally()), f"Store 15: {name} is not the sum of its lanes"
    assert survey.queues.keys() >= {lane.queue for lane in lanes}
    assert (survey.more_lanes, survey.more_queues) == (0, 0)
    return survey


def in_line(jobs: Sequence[Stored], queues: Mapping[str, Queue]) -> Mapping[JobId, Offer]:
    """The jobs that stand in line, and what is offered of each."""
    found = ((one.job.id, offer_of(one, queues.get(one.job.spec.lane.queue))) for one in jobs)
    return {name: offer for name, offer in found if offer is not None}
