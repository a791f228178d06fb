"""Sees every commit and every handler, keeps its own books, and says what broke."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, cast

from attrs import define, frozen
from attrs import evolve as replace

from parcae import events as e
from parcae.answers import Granted
from parcae.change import Change
from parcae.context import Context
from parcae.errors import Corrupt, ParcaeError
from parcae.evolve import evolve
from parcae.ports import Committed
from parcae.spec import Lost, RetryMode, Spec
from parcae.state import Job
from parcae.values import Cause, Error, Instant, JobId, Status, seconds
from parcae_specs import invariants
from parcae_specs.invariants.facts import ENDS
from parcae_specs.simulation.processes import Process

TOLD = seconds(0.3)
"""Three looks of a keeper."""

Work = tuple[JobId, int]
"""A lease: the job, and the token."""


@define(eq=False)
class Handling:
    """A handler that has begun and not ended; ``obeys``: it ends as soon as it is told to."""

    process: Process
    context: Context
    obeys: bool


@frozen(kw_only=True)
class Permission:
    """A phase or an undo that somebody was allowed to begin."""

    job_id: JobId
    token: int
    phase: str
    undo: bool


class Monitor:
    """The books of one simulation.

    Attributes:
        histories: every event of each job, deleted or not.
        broken: what went wrong, each with the guarantee's id.
        seen: how often the interesting things happened: what never does proves nothing.
        specs: what each job was admitted with.
        alive: the jobs that have not ended.
        last_end: when, in virtual seconds, the last of the others did.
        true_clocks: no clock was ever set, and none is askew.
        quiet_since: the virtual second since which nothing goes wrong; ``None``: it still does.
    """

    def __init__(self, time: Callable[[], float], now: Callable[[], Instant]) -> None:
        self.histories: defaultdict[JobId, list[e.Event]] = defaultdict(list)
        self.jobs: dict[JobId, Job] = {}
        self.specs: dict[JobId, Spec] = {}
        self.alive: set[JobId] = set()
        self.last_end = 0.0
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self.quiet_since: float | None = None
        self.lines: list[str] = []
        self.true_clocks = True
        self._time = time
        self._now = now
        self._digest = hashlib.sha256()
        self._handling: list[Handling] = []
        self._permitted: set[Permission] = set()
        self._expiry: dict[Work, Instant] = {}
        self._claimed: dict[Work, Instant] = {}
        self._granted: dict[Work, float] = {}
        self._forced: set[JobId] = set()
        self._carried: Counter[JobId] = Counter()

    @property
    def digest(self) -> str:
        """Of everything that happened, in order."""
        return self._digest.hexdigest()

    def note(self, what: str) -> None:
        """Something happened."""
        line = f"{self._time():11.6f} {what}"
        self.lines.append(line)
        self._digest.update(line.encode("utf-8", "surrogatepass"))

    def breaks(self, what: str) -> None:
        """A guarantee does not hold."""
        self.note(f"BROKEN {what}")
        self.broken.append(f"{what} [at {self._time():.3f} s]")

    def refused(self, error: ParcaeError) -> None:
        """The store refused: lawful, unless it found a history that cannot be."""
        self.seen[type(error).__name__] += 1
        self.note(f"refused {type(error).__name__} {getattr(error, 'reason', '')}")
        if isinstance(error, Corrupt):
            self.breaks(f"S5: {error}")

    def committed(self, process: Process, committed: Committed) -> None:
        """A transaction was stored."""
        for change in committed.changes:
            if change.idle:
                self.seen["repeated claim"] += isinstance(change.answer, Granted)
                continue
            self._change(process, change)

    def _change(self, process: Process, change: Change) -> None:
        job_id, before = change.job_id, self.jobs.get(change.job_id)
        job = before
        for event in change.events:
            self.note(f"{process.name} {job_id} {_placeless(event)!r}")
            self._event(job_id, event, before)
            self.histories[job_id].append(event)
            job = evolve(job_id, job, event)
        if change.liveness is not None:
            work = job_id, int(change.liveness.token)
            self._expiry[work] = change.liveness.expires_at
        if job != change.job:
            self.breaks(f"S5: job {job_id} is not the fold of its events")
        if change.job is None:
            self.jobs.pop(job_id, None)
            return
        self.jobs[job_id] = change.job
        for fault in invariants.of_job(change.job):
            self.breaks(f"{fault} (job {job_id})")
        if change.job.status.is_terminal:
            self._ended(job_id)
        else:
            self.alive.add(job_id)

    def _ended(self, job_id: JobId) -> None:
        if job_id in self.alive:
            self.alive.remove(job_id)
            self.last_end = self._time()

    def _event(self, job_id: JobId, event: e.Event, before: Job | None) -> None:
        self.seen[type(event).__name__] += 1
        if getattr(event, "cause", None) is not None:
            self.seen[f"cause: {event.cause}"] += 1  # type: ignore[union-attr]
        if isinstance(event, e.Submitted):
            self.specs[job_id] = event.spec
            self._origin(event)
        elif isinstance(event, e.Started | e.CompensationClaimed):
            self._claimed[job_id, int(event.token)] = event.at
            self._granted[job_id, int(event.token)] = self._time()
        elif isinstance(event, e.PhaseStarted | e.UndoStarted):
            self._permit(job_id, event)
        elif isinstance(event, e.CancelRequested) and event.request.force:
            self._forced.add(job_id)
        request = getattr(event, "request", None)
        if isinstance(request, e.CancelRequest) and request.force:
            self._forced.add(job_id)
        self._not_lost_in_peace(job_id, event, before)

    def _permit(self, job_id: JobId, event: e.PhaseStarted | e.UndoStarted) -> None:
        undo = isinstance(event, e.UndoStarted)
        token, phase = int(event.token), event.phase
        self._permitted.add(Permission(job_id=job_id, token=token, phase=phase, undo=undo))

    def _origin(self, event: e.Submitted) -> None:
        origin = event.spec.origin
        if origin is None or origin.mode is RetryMode.FROM_START:
            return
        self._carried[origin.job_id] += 1
        if self._carried[origin.job_id] > 1:
            self.breaks(f"S12: what job {origin.job_id} did was taken over twice")

    def _not_lost_in_peace(self, job_id: JobId, event: e.Event, before: Job | None) -> None:
        """Once nothing goes wrong any more, nobody loses a lease that was given since."""
        lease = before.lease if before else None
        lost = Cause.LEASE_LOST in (getattr(event, "cause", 0), getattr(event, "burned_by", 0))
        if not lost or lease is None or self.quiet_since is None:
            return
        if self._granted[job_id, int(lease.token)] >= self.quiet_since:
            self.breaks(f"L8: job {job_id} lost the lease of {lease.worker} in peace")

    def begin(self, process: Process, context: Context, *, obeys: bool) -> Handling:
        """A handler begins."""
        asked = Permission(
            job_id=context.job_id,
            token=int(context.token),
            phase=context.phase,
            undo=context.undo,
        )
        self.note(f"{process.name} begins {asked}")
        if asked not in self._permitted:
            self.breaks(f"S4: a handler began without leave: {asked}")
        for other in self._handling:
            if other.process.alive and other.context.job_id == context.job_id:
                self._overlap(other.context, context)
                self._told(other)
        handling = Handling(process, context, obeys)
        self._handling.append(handling)
        self.seen["handlers"] += 1
        return handling

    def _overlap(self, one: Context, two: Context) -> None:
        old, new = sorted((int(one.token), int(two.token)))
        job_id = one.job_id
        # Once it has expired by the clock of one claim it has for good, if the clock goes back.
        claims = [self._claimed[job_id, token] for token in range(old + 1, new + 1)]
        expiry = self._expiry.get((job_id, old))
        if job_id in self._forced:
            self.seen["overlap, forced"] += 1
        elif expiry is not None and any(expiry <= claimed for claimed in claims):
            self.seen["overlap, past the lease"] += 1
        else:
            self.breaks(f"S29: two handlers of job {job_id} run at once, tokens {old} and {new}")

    def _told(self, old: Handling) -> None:
        """While clocks are true and its process is awake, a handler is told of its lease's end."""
        work = old.context.job_id, int(old.context.token)
        expiry = self._expiry.get(work)
        if not self.true_clocks or not old.obeys or old.process.disturbed or expiry is None:
            return
        if self._now() > expiry + TOLD and work[0] not in self._forced:
            self.breaks(f"S29: a handler of job {work[0]} was not told that its lease is over")

    def end(self, handling: Handling) -> None:
        """A handler ends, in whatever way."""
        if handling.process.alive:
            self._handling.remove(handling)
            self.note(f"{handling.process.name} ends {handling.context.job_id}")

    def verdict(self) -> Iterator[str]:
        """What the histories break, looked at as a whole."""
        for job_id, history in self.histories.items():
            gone = isinstance(history[-1], e.Deleted)
            job = None if gone else self.jobs[job_id]
            known = history[:-1] if gone else history
            checked = self._folded(job_id, known) if gone else job
            for fault in invariants.of_history(job_id, known, checked):
                yield f"{fault} (job {job_id})"
            losses = sum(_put_back(event) for event in known)
            policy = self.specs[job_id].on_lost
            if losses > (policy.times if policy.action is Lost.RETRY else 0):
                yield f"S19: put back after {losses} losses (job {job_id})"

    @staticmethod
    def _folded(job_id: JobId, history: list[e.Event]) -> Job | None:
        job: Job | None = None
        for event in history:
            job = evolve(job_id, job, event)
        return job

    def by_status(self) -> Counter[Status]:
        """How the jobs ended, deleted ones included."""
        ends = (ENDS[type(one)] for many in self.histories.values() for one in many if _ends(one))
        return Counter(ends)


def _put_back(event: e.Event) -> bool:
    return isinstance(event, e.RetryScheduled) and event.cause is Cause.LEASE_LOST


def _placeless(event: e.Event) -> e.Event:
    """The event without a traceback, which would tell where this program lies."""
    error: Error | None = getattr(event, "error", None)
    if error is None:
        return event
    told: Any = event
    return cast(e.Event, replace(told, error=replace(error, traceback="")))


def _ends(event: e.Event) -> bool:
    return type(event) in ENDS
