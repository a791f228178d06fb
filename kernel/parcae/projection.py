"""What is measured of what has happened: the one projection behind metrics, logs and traces.

A pure fold over the log: each recorded event becomes a :class:`Fact`, small enough for a label, a
log line or a span. Whoever counts, prints or traces works from facts alone, so that all three
tell the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum

from attrs import Factory, frozen
from attrs import evolve as replace

from parcae import events as e
from parcae.change import AnyEvent
from parcae.codec import TAGS
from parcae.evolve import evolve
from parcae.state import Compensating, Ended, Job, Scheduled
from parcae.values import Cause, Instant, JobId, StreamId, Token, WorkerId

NAMES: Mapping[type[AnyEvent], str] = {kind: tag for tag, kind in TAGS.items()}
"""The name of a fact is that under which its event is stored, and so never changes."""


class Span(StrEnum):
    """What takes time."""

    WAIT = "wait"
    ATTEMPT = "attempt"
    PHASE = "phase"
    UNDO = "undo"


@frozen(kw_only=True)
class Interval:
    """Something that took time, and is over.

    Attributes:
        span: what it was.
        began: when it began.
        ended: when it was over.
        outcome: how it ended: ``completed``, ``failed``, ``released``, ``cancelled`` or a cause.
        phase: which phase, where it was one or the undo of one.
        token: under which lease; ``None``: under none.
        attempt: the number of the attempt, from 1.
    """

    span: Span
    began: Instant
    ended: Instant
    outcome: str
    phase: str | None = None
    token: Token | None = None
    attempt: int | None = None

    @property
    def duration(self) -> timedelta:
        """How long it took; never negative, though a clock may be set back."""
        return max(self.ended - self.began, timedelta(0))


@frozen(kw_only=True)
class Fact:
    """What one event means to whoever measures.

    Attributes:
        name: what happened; that under which the event is stored.
        stream: to which job, queue, group or schedule.
        at: when.
        labels: kind, queue, and for an end its outcome, its cause and who established it.
        attempt: the attempt it belongs to.
        token: the lease it belongs to.
        worker: the holder of that lease.
        phase: the phase it is about.
        ended: the job has ended by this.
        intervals: what is over by this, and how long it took.
    """

    name: str
    stream: StreamId
    at: Instant
    labels: Mapping[str, str] = Factory(dict)
    attempt: int | None = None
    token: Token | None = None
    worker: WorkerId | None = None
    phase: str | None = None
    ended: bool = False
    intervals: tuple[Interval, ...] = ()


@frozen(kw_only=True)
class Track:
    """What has to be known of a job in order to measure what comes next.

    Attributes:
        job: the fold so far; ``None``: there is none, or it was deleted.
        began: when the phase or undo in work began.
        phase: which one it is; ``None``: none is in work.
        lined_at: when it was last put in line, or let go of for its undos.
    """

    job: Job | None = None
    began: Instant | None = None
    phase: str | None = None
    lined_at: Instant | None = None

    @property
    def waits_from(self) -> Instant | None:
        """From when on it waits for a slot and a worker; ``None``: it does not.

        What follows a lost lease is due from its expiry on (S30), whenever that was found out. But
        nobody waits while a worker holds the job.
        """
        job = self.job
        if job is None or not _in_line(job):
            return None
        assert isinstance(job.state, Scheduled | Compensating)
        return max(job.state.ready_at, self.lined_at or job.state.ready_at)


def projected(job_id: JobId, history: Iterable[e.Event]) -> Iterator[tuple[Track, Fact]]:
    """The facts of one job, from its first event on, and what is known after each.

    Raises:
        Corrupt: the history does not fold.
    """
    track = Track()
    for event in history:
        track, fact = project(track, StreamId(job_id), event)
        yield track, fact


def project(track: Track, stream: StreamId, event: AnyEvent) -> tuple[Track, Fact]:
    """What an event means, and what has to be known for the next one of its stream.

    Args:
        track: what is known of its stream; an empty one at its beginning, and of a queue, a group
            or a schedule always.
        stream: whose event it is.
        event: the next event of that stream.

    Raises:
        Corrupt: the event cannot follow.
    """
    if not isinstance(event, e.Event):
        return track, Fact(name=NAMES[type(event)], stream=stream, at=event.at)
    before = track.job
    if before is None and isinstance(event, e.Deleted):
        # Of a deleted job the log keeps this alone.
        return track, Fact(name=NAMES[e.Deleted], stream=stream, at=event.at)
    after = evolve(JobId(stream), before, event)
    fact = _fact(track, stream, event, after)
    if isinstance(event, e.PhaseStarted | e.UndoStarted):
        return replace(track, job=after, began=event.at, phase=event.phase), fact
    over = isinstance(event, (*_UNDONE, e.PhaseCompleted)) or _let_go(before, after)
    kept = replace(track, began=None, phase=None) if over else track
    lined_at = event.at if _lined(before, after) else track.lined_at
    return replace(kept, job=after, lined_at=lined_at), fact


_UNDONE = (e.UndoCompleted, e.UndoRetryScheduled, e.CompensationReleased, e.CompensationLost)


def _in_line(job: Job | None) -> bool:
    """Whether it waits for a worker, or will once its time has come."""
    return job is not None and isinstance(job.state, Scheduled | Compensating) and job.lease is None


def _lined(before: Job | None, after: Job | None) -> bool:
    """Whether it stands in line from now on, or for something else than before."""
    if after is None or not _in_line(after):
        return False
    assert before is not None
    return not _in_line(before) or type(before.state) is not type(after.state)


def _let_go(before: Job | None, after: Job | None) -> bool:
    """Whether a lease was given up, or taken away."""
    lease = before.lease if before else None
    return lease is not None and (after is None or after.lease is None)


def _fact(track: Track, stream: StreamId, event: e.Event, after: Job | None) -> Fact:
    before, known = track.job, after or track.job
    assert known is not None
    lease = (after.lease if after else None) or (before.lease if before else None)
    ended = after is not None and after.status.is_terminal
    ends = ended and not (before is not None and before.status.is_terminal)
    return Fact(
        name=NAMES[type(event)],
        stream=stream,
        at=event.at,
        labels={
            "kind": known.spec.kind,
            "queue": known.spec.lane.queue,
            **(_end(after) if ends and after else {}),
            **_cause(event),
        },
        attempt=before.attempt if before else known.attempt,
        token=getattr(event, "token", None) or (lease.token if lease else None),
        worker=lease.worker if lease else None,
        phase=getattr(event, "phase", None) or track.phase,
        ended=ends,
        intervals=tuple(_intervals(track, event, after)),
    )


def _end(after: Job) -> dict[str, str]:
    state = after.state
    assert isinstance(state, Ended)
    return {
        "outcome": str(state.status),
        "cause": str(state.cause or ""),
        "reconciled": "yes" if state.reconciled else "no",
    }


def _cause(event: e.Event) -> dict[str, str]:
    cause: Cause | None = getattr(event, "cause", None)
    return {} if cause is None else {"cause": str(cause)}


def _intervals(track: Track, event: e.Event, after: Job | None) -> Iterator[Interval]:
    before = track.job
    if before is None:
        return
    if isinstance(event, e.Started | e.CompensationClaimed):
        yield from _wait(track, before, event)
    elif isinstance(event, e.PhaseCompleted):
        yield from _work(track, before, event, "completed")
    elif isinstance(event, _UNDONE) or _let_go(before, after):
        outcome = _outcome(event)
        yield from _work(track, before, event, outcome)
        # Timeouts count from each undo, so that nobody knows when a lease for undos began.
        if not isinstance(before.state, Compensating):
            yield from _attempt(before, event, outcome)


def _attempt(before: Job, event: e.Event, outcome: str) -> Iterator[Interval]:
    if before.lease is not None:
        yield Interval(
            span=Span.ATTEMPT,
            began=before.lease.since,
            ended=event.at,
            outcome=outcome,
            token=before.lease.token,
            attempt=before.attempt,
        )


def _wait(
    track: Track, before: Job, event: e.Started | e.CompensationClaimed
) -> Iterator[Interval]:
    since = track.waits_from
    if since is not None:
        yield Interval(
            span=Span.WAIT,
            began=min(since, event.at),
            ended=event.at,
            outcome="started",
            token=event.token,
            attempt=before.attempt,
        )


def _work(track: Track, before: Job, event: e.Event, outcome: str) -> Iterator[Interval]:
    if track.began is None or before.lease is None:
        return
    yield Interval(
        span=Span.UNDO if isinstance(before.state, Compensating) else Span.PHASE,
        began=track.began,
        ended=event.at,
        outcome=outcome,
        phase=track.phase,
        token=before.lease.token,
        attempt=before.attempt,
    )


def _outcome(event: e.Event) -> str:
    """How what was in work ended by this event."""
    if isinstance(event, e.Completed | e.UndoCompleted | e.Compensated):
        return "completed"
    if isinstance(event, e.Released | e.CompensationReleased):
        return "released"
    if isinstance(event, e.UndoRetryScheduled):
        return "failed"
    burned: Cause | None = getattr(event, "burned_by", None) or getattr(event, "cause", None)
    return str(burned or "ended")
