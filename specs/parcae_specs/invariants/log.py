"""Guarantees over the log of a store: many jobs, their queues and groups, in the order of commits.

One pass, so that a soak or a simulation can hand it a whole run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import Factory, define

from parcae import events as e
from parcae.change import AnyEvent
from parcae.evolve import evolve
from parcae.groups import events as g
from parcae.ports import Recorded
from parcae.queues import events as q
from parcae.spec import DependencyPolicy, Until
from parcae.state import Compensating, Job, Scheduled
from parcae.values import Instant, JobId, Lane, Status, StreamId
from parcae_specs.invariants.facts import ENDS

QUEUE_EVENTS = (q.QueuePaused, q.QueueResumed, q.LimitSet, q.RateSet, q.AgingSet)


@define
class Limits:
    """What was set for a queue, read from its events.

    Attributes:
        whole: at most so many at once.
        each: of each key that has no number of its own.
        keys: of single keys.
        paused: nothing forward starts.
    """

    whole: int | None = None
    each: int | None = None
    keys: dict[str, int | None] = Factory(dict)
    paused: bool = False

    def see(self, event: AnyEvent) -> None:
        """Take note of an event of the queue."""
        if isinstance(event, q.QueuePaused | q.QueueResumed):
            self.paused = isinstance(event, q.QueuePaused)
        elif isinstance(event, q.LimitSet):
            if event.key is not None:
                self.keys[event.key] = event.limit
            elif event.each:
                self.each = event.limit
            else:
                self.whole = event.limit


class Books:
    """What a reader of the log knows, record by record."""

    def __init__(self) -> None:
        self.jobs: dict[JobId, Job] = {}
        self.limits: dict[str, Limits] = {}
        self.ended: dict[str, Status] = {}
        self.held: dict[Lane, set[JobId]] = {}
        self.waiting: dict[Lane, set[JobId]] = {}
        self.standing: dict[str, set[JobId]] = {}

    def see(self, record: Recorded[AnyEvent]) -> Iterator[str]:
        """Take note of a record; what it breaks."""
        event = record.event
        if isinstance(event, QUEUE_EVENTS):
            name = record.stream.removeprefix("queue/")
            self.limits.setdefault(name, Limits()).see(event)
        elif isinstance(event, g.GroupEnded):
            self.ended[record.stream] = event.outcome
        elif isinstance(event, e.Event):
            yield from self._of_job(record.stream, event)

    def _of_job(self, stream: StreamId, event: e.Event) -> Iterator[str]:
        name = JobId(stream)
        before = self.jobs.get(name)
        if isinstance(event, e.Started | e.CompensationClaimed) and before is not None:
            yield from self._starts(before, event)
        if isinstance(event, e.Submitted):
            yield from self._admitted(name, event)
        if isinstance(event, e.DependencySettled) and self.ended.get(event.parent) is not (
            event.outcome
        ):
            known = self.ended.get(event.parent)
            yield f"S8: {name} was told that {event.parent} is {event.outcome}, but it is {known}"
        if isinstance(event, e.Deleted):
            self._forget(name)
            return
        after = evolve(name, before, event)
        if after is None:
            return
        self.jobs[name] = after
        if type(event) in ENDS:
            self.ended[name] = ENDS[type(event)]
        self._file(after)

    def _file(self, job: Job) -> None:
        """Put the job where it belongs: among those held, those that wait, those that stand."""
        lane, state = job.spec.lane, job.state
        resting = isinstance(state, Compensating) and state.lease is None
        _keep(self.held.setdefault(lane, set()), job.id, job.lease is not None)
        _keep(self.waiting.setdefault(lane, set()), job.id, resting or isinstance(state, Scheduled))
        unique = job.spec.unique
        if unique is not None:
            until_started = unique.until is Until.STARTED and job.starts > 0
            over = unique.until in (Until.STARTED, Until.ENDED) and job.status.is_terminal
            replaced = job.status is Status.CANCELLED and job.starts == 0
            stands = not (until_started or over or replaced)
            _keep(self.standing.setdefault(unique.name, set()), job.id, stands)

    def _forget(self, name: JobId) -> None:
        """A deleted job stands for its constraint no more, but for those that are for ever."""
        job = self.jobs.pop(name, None)
        if job is not None:
            self.held[job.spec.lane].discard(name)
            self.waiting[job.spec.lane].discard(name)

    def _starts(self, job: Job, event: e.Started | e.CompensationClaimed) -> Iterator[str]:
        forward = isinstance(event, e.Started)
        yield from self._slots(job, forward=forward)
        yield from self._line(job, event.at, forward=forward)
        if forward:
            yield from self._parents(job)

    def _slots(self, job: Job, *, forward: bool) -> Iterator[str]:
        """S6: nothing starts while the held slots of a queue, or a key, reach its limit."""
        lane = job.spec.lane
        limits = self.limits.get(lane.queue, Limits())
        whole = sum(len(held) for one, held in self.held.items() if one.queue == lane.queue)
        mine = len(self.held.get(lane, ()))
        each = limits.keys.get(lane.key, limits.each)
        if limits.whole is not None and whole >= limits.whole:
            yield f"S6: {job.id} started beside {whole} of {limits.whole} in {lane.queue}"
        if each is not None and mine >= each:
            yield f"S6: {job.id} started beside {mine} of {each} in {lane}"
        if limits.paused and forward:
            yield f"S6: {job.id} started in {lane.queue}, which is paused"

    def _line(self, job: Job, at: Instant, *, forward: bool) -> Iterator[str]:
        """S7: nobody overtakes whom the claimer serves too: one of the same kind, at least."""
        for name in self.waiting.get(job.spec.lane, ()):
            other = self.jobs[name]
            alike = (other.spec.priority, other.spec.kind) == (job.spec.priority, job.spec.kind)
            undo = isinstance(other.state, Compensating)
            first = (undo, -other.place) > (not forward, -job.place)
            if name != job.id and alike and first and _may_start(other, at):
                yield f"S7: {job.id} started before {name}"

    def _parents(self, job: Job) -> Iterator[str]:
        """S8: no job starts before all that it depends on allow it."""
        for one in job.spec.dependencies:
            outcome = self.ended.get(one.parent)
            proceeds = outcome is not None and one.policy is DependencyPolicy.PROCEED
            if outcome is not Status.COMPLETED and not proceeds:
                yield f"S8: {job.id} started, though {one.parent} is {outcome}"

    def _admitted(self, name: JobId, event: e.Submitted) -> Iterator[str]:
        """S17: one constraint, one job; where it has a period, within that."""
        unique = event.spec.unique
        if unique is None or unique.replace:
            return
        for other in self.standing.get(unique.name, ()):
            period = unique.period
            known = self.jobs.get(other)
            if period is not None and known and known.submitted_at + period <= event.at:
                continue
            yield f"S17: {name} was admitted while {other} stood for {unique.name!r}"


def _keep(names: set[JobId], name: JobId, inside: bool) -> None:
    (names.add if inside else names.discard)(name)


def _may_start(job: Job, at: Instant) -> bool:
    state, patience = job.state, job.spec.timing.stale_after
    assert isinstance(state, Scheduled | Compensating)
    if state.ready_at > at:
        return False
    if isinstance(state, Compensating):
        return True
    late = job.deadline is not None and job.deadline <= at
    # A patience that ran while the queue was paused is not told apart here.
    return not late and (patience is None or at < state.since + patience)


def of_log(records: Iterable[Recorded[AnyEvent]]) -> Iterator[str]:
    """What the log of a store breaks, in order; and who stands side by side at its end."""
    books = Books()
    for record in records:
        yield from books.see(record)
    for name, jobs in books.standing.items():
        periods = [books.jobs[one].spec.unique for one in jobs if one in books.jobs]
        timeless = all(one is not None and one.period is None for one in periods)
        if len(jobs) > 1 and timeless:
            yield f"S17: {sorted(jobs)} stand for {name!r}"
