"""Time in a world: what a job waits for, how its instants move, and which no longer matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae.events import CancelRequest
from parcae.state import (
    Compensating,
    Ended,
    Job,
    Lease,
    Liveness,
    Pending,
    Running,
    Scheduled,
    State,
    Stored,
)
from parcae.values import Instant, Place, Version
from parcae_specs.explorer.cell import NOW, ZERO, Cell, moved

LONG_AGO = timedelta(seconds=10)
FIRST = datetime(1, 1, 2, tzinfo=UTC)


@frozen(kw_only=True)
class Scale:
    """How a model measures time.

    Attributes:
        slack: how far any actor's clock may be behind the world's: older instants are all alike.
        retention: for how long an ended job is kept.
        asleep: no more time passes once something has been overdue for longer than this;
            ``None``: it does.
        alone: there is one job only, so it has no place in line to speak of.
    """

    slack: timedelta = ZERO
    retention: timedelta = ZERO
    asleep: timedelta | None = ZERO
    alone: bool = False

    def oldest(self, now: Instant) -> Instant:
        """Where time may pass without bound, what is older than this is as old as this."""
        return FIRST if self.asleep is not None else now - LONG_AGO


def dues(job: Job, expires_at: Instant | None) -> Iterator[Instant]:
    """When something falls due for ``job``, worked out from its spec and not by the kernel."""
    state, timing = job.state, job.spec.timing
    if isinstance(state, Ended):
        return
    if not isinstance(state, Compensating) and timing.deadline is not None:
        yield job.submitted_at + timing.deadline
    if isinstance(state, Scheduled) and timing.stale_after is not None:
        yield state.since + timing.stale_after
    if isinstance(state, Running) and state.cancel is not None:
        yield state.cancel.at + timing.cancel_grace
    lease = job.lease
    if lease is not None:
        limit = timing.undo if isinstance(state, Compensating) else timing.attempt
        yield lease.since + limit
        yield expires_at or lease.expires_at


def overdue(cell: Cell) -> Instant | None:
    """What fell due first, if anything has."""
    if cell.stored is None:
        return None
    first = min(_dues(cell.stored), default=None)
    return first if first is not None and first <= NOW else None


def _dues(stored: Stored) -> Iterator[Instant]:
    expires_at = stored.liveness.expires_at if stored.liveness else None
    return dues(stored.job, expires_at)


def upcoming(cell: Cell, scale: Scale) -> Instant | None:
    """The next instant at which something becomes possible, or falls due, for this job."""
    if cell.stored is None:
        return None
    found = [at for at in _waits(cell, scale) if at > NOW]
    return min(found, default=None)


def _waits(cell: Cell, scale: Scale) -> Iterator[Instant]:
    assert cell.stored is not None
    job = cell.stored.job
    yield from _dues(cell.stored)
    if isinstance(job.state, Scheduled | Compensating):
        yield job.state.ready_at
    if isinstance(job.state, Ended) and scale.retention:
        yield job.state.at + scale.retention
    if cell.stored.liveness is not None:
        # When a worker that renews as it should would do so again.
        timing = job.spec.timing
        yield cell.stored.liveness.expires_at - timing.lease + timing.renewal
    for at in (job.fence, cell.ghost.alive_until):
        if at is not None:
            yield at


def shifted(cell: Cell, by: timedelta) -> Cell:
    """The cell once ``by`` has passed: all its instants are so much earlier. Negative: back."""
    stored = cell.stored
    if stored is None:
        return cell
    job, liveness = stored.job, stored.liveness
    job = replace(
        job,
        submitted_at=job.submitted_at - by,
        state=_shifted(job.state, by),
        fence=None if job.fence is None else job.fence - by,
    )
    if liveness is not None:
        liveness = replace(
            liveness,
            expires_at=liveness.expires_at - by,
            renewed_at=liveness.renewed_at - by,
        )
    return Cell(stored=Stored(job=job, liveness=liveness), ghost=moved(cell.ghost, -by))


def _shifted(state: State, by: timedelta) -> State:
    if isinstance(state, Pending):
        return state
    if isinstance(state, Ended):
        return replace(state, at=state.at - by)
    if isinstance(state, Scheduled):
        return Scheduled(ready_at=state.ready_at - by, since=state.since - by)
    cancel = None if state.cancel is None else replace(state.cancel, at=state.cancel.at - by)
    lease = None if state.lease is None else _shifted_lease(state.lease, by)
    if isinstance(state, Compensating):
        return replace(state, ready_at=state.ready_at - by, lease=lease, cancel=cancel)
    assert lease is not None
    return replace(state, lease=lease, cancel=cancel)


def _shifted_lease(lease: Lease, by: timedelta) -> Lease:
    return replace(lease, since=lease.since - by, expires_at=lease.expires_at - by)


def settled_times(cell: Cell, scale: Scale, now: Instant = NOW) -> Cell:
    """The cell without what no later step can tell apart.

    An instant that is only ever compared with the present is as good as any other once it is
    past; one that something is counted from is kept, for the order in which things fell due
    matters. Version, progress and the words of a request are the log's, not the world's.
    """
    stored, ghost = cell.stored, cell.ghost
    if stored is None:
        return cell
    floor = now - scale.slack
    job = stored.job
    forward = isinstance(job.state, Pending | Scheduled | Running)
    counted = forward and job.spec.timing.deadline is not None
    job = replace(
        job,
        version=Version(1),
        submitted_at=job.submitted_at if counted else now,
        state=_settled_state(stored, scale, now),
        fence=_unless_over(job.fence, floor),
        error=None,
        starts=0,
        attempts=job.attempts if forward else 0,
        losses=job.losses if forward else 0,
        releases=job.releases if forward else 0,
        place=_place(job, scale),
    )
    held = ghost.held_until
    ghost = replace(
        ghost,
        held_until=None if held is None else max(held, floor),
        alive_until=_unless_over(ghost.alive_until, floor),
        burned=ghost.burned if forward else 0,
        losses=ghost.losses if forward else 0,
        released=ghost.released if forward else 0,
    )
    liveness = stored.liveness
    if liveness is not None:
        until = max(liveness.expires_at, scale.oldest(now))
        liveness = Liveness(token=liveness.token, expires_at=until, renewed_at=now)
    return Cell(stored=Stored(job=job, liveness=liveness), ghost=ghost)


def _request(request: CancelRequest, scale: Scale, now: Instant) -> CancelRequest:
    return replace(request, at=max(request.at, scale.oldest(now)), by="", reason="")


def _place(job: Job, scale: Scale) -> Place:
    if isinstance(job.state, Ended):
        return Place(0)
    return min(job.place, Place(1)) if scale.alone else job.place


def _unless_over(at: Instant | None, floor: Instant) -> Instant | None:
    return None if at is None or at <= floor else at


def _settled_state(stored: Stored, scale: Scale, now: Instant) -> State:
    job = stored.job
    state, floor = job.state, now - scale.slack
    if isinstance(state, Pending):
        return state
    if isinstance(state, Ended):
        return replace(state, at=max(state.at, floor - scale.retention), cancel=None)
    if isinstance(state, Scheduled):
        since = now if job.spec.timing.stale_after is None else state.since
        return Scheduled(ready_at=max(state.ready_at, floor), since=since)
    lease = state.lease
    if lease is not None:
        since = max(lease.since, scale.oldest(now))
        first = max(lease.expires_at, floor)
        if stored.liveness is not None:
            first = min(first, stored.liveness.expires_at)
        lease = replace(lease, since=since, expires_at=first)
    cancel = None if state.cancel is None else _request(state.cancel, scale, now)
    if isinstance(state, Running):
        assert lease is not None
        return Running(lease=lease, cancel=cancel)
    if cancel is not None:
        cancel = replace(cancel, at=now)
    return replace(state, ready_at=max(state.ready_at, floor), lease=lease, cancel=cancel)
