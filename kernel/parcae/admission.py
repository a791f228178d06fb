"""Who may start, and who goes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parcae.effects import Offer
from parcae.state import Compensating, Job, Scheduled, Stored
from parcae.timing import closes_at, too_late
from parcae.values import Instant


def offer(job: Job) -> Offer | None:
    """From when to when, and where, ``job`` waits for a worker; ``None``: it does not."""
    state = job.state
    if isinstance(state, Scheduled):
        undo, until = False, closes_at(job)
    elif isinstance(state, Compensating) and state.lease is None:
        undo, until = True, None
    else:
        return None
    return Offer(
        at=state.ready_at,
        until=until,
        kind=job.spec.kind,
        lane=job.spec.lane,
        undo=undo,
        priority=job.spec.priority,
        place=job.place,
    )


def due(job: Job, now: Instant) -> bool:
    """Whether ``job`` may be claimed at ``now``: its time has come, and is not over."""
    waiting = offer(job)
    return waiting is not None and waiting.at <= now and not too_late(job, now)


def order(offer: Offer) -> tuple[bool, int, int]:
    """What claimers are served by: undos first, then priority, then place in line."""
    return (not offer.undo, -offer.priority, offer.place)


def choose(
    waiting: Iterable[Stored], now: Instant, kinds: frozenset[str], queues: frozenset[str] | None
) -> Sequence[Job]:
    """Those of ``waiting`` that a worker of these kinds and queues may claim, the first first."""
    offers = (
        (found, stored.job)
        for stored in waiting
        if due(stored.job, now) and (found := offer(stored.job)) is not None
    )
    fitting = [
        (found, job)
        for found, job in offers
        if found.kind in kinds and (queues is None or found.lane.queue in queues)
    ]
    return [job for _, job in sorted(fitting, key=lambda pair: order(pair[0]))]
