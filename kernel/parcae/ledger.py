"""One commit while it is being decided: every change, and what each owes to others at once.

Whatever ends a job does more in the same commit: it settles those who wait for it, and tells its
group. What would be more than one commit should hold is left to :func:`parcae.handle.reconcile`:
the ended job is overdue until nobody waits for it any more.
"""

from __future__ import annotations

from collections import deque

from attrs import evolve as replace

from parcae import answers as a
from parcae import commands as c
from parcae.answering import answer, reported
from parcae.change import Change, KeyRow, Revision, View
from parcae.decide import Decision, decide
from parcae.effects import Announce, Effect
from parcae.errors import Reason, Rejected
from parcae.groups import Group, GroupEvent, due_at, member_ended
from parcae.groups import evolve as evolve_group
from parcae.queues import Queue
from parcae.saga import react, remember, resume
from parcae.state import Job, Pending, Stored
from parcae.timing import look_again_at
from parcae.values import Blob, GroupId, Instant, JobId, Place, Status, StreamId, Version


class Ledger:
    """Collects what becomes of the jobs, groups and queues of a view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.place = view.place
        self.changes: list[Change | Revision] = []
        self._jobs = dict(view.jobs)
        self._groups = dict(view.groups)
        self._settled: set[str] = set()
        self._news: set[str] = set()
        self._ended: deque[tuple[str, Status]] = deque()

    def find(self, job_id: JobId) -> Stored | None:
        """A job as the changes so far leave it."""
        return self._jobs.get(job_id)

    def group(self, group_id: GroupId) -> Group | None:
        """A group as the changes so far leave it."""
        return self._groups.get(group_id)

    def obey(
        self,
        job_id: JobId,
        command: c.Command,
        data: bytes | None = None,
        *,
        keys: tuple[KeyRow, ...] = (),
        blobs: tuple[tuple[Blob, bytes], ...] = (),
    ) -> Change:
        """What ``command`` makes of one job, without what that owes to others; not yet entered.

        Args:
            job_id: the job.
            command: what is asked.
            data: the bytes of the result that the command reports.
            keys: rows to write with it.
            blobs: bytes to keep with it.

        Raises:
            Rejected: the command is not lawful.
            LeaseLost: the worker does not hold the job any more.
            Conflict: a renewal would shorten the lease.
        """
        stored = self.find(job_id)
        spec = command.spec if isinstance(command, c.Submit) else stored and stored.job.spec
        queue = self.view.queues.get(spec.lane.queue) if spec else None
        decision = decide(job_id, stored, command, self.view.now, self.place, queue)
        kept = stored.liveness if stored else None
        return Change(
            job_id=job_id,
            before=stored.job.version if stored else Version(0),
            events=decision.events,
            job=decision.job,
            liveness=decision.liveness,
            blobs=(*blobs, *reported(decision.events, data)),
            keys=keys,
            effects=self._effects(stored, decision, queue),
            answer=answer(job_id, stored, command, decision),
            idle=not decision.events and decision.liveness == kept,
        )

    def _effects(
        self, stored: Stored | None, decision: Decision, queue: Queue | None
    ) -> tuple[Effect, ...]:
        after = decision.job
        if after is None:
            return ()
        owed = _owed(Stored(job=after, liveness=decision.liveness), queue, self.view.now)
        return (*owed, *react(stored.job if stored else None, after, decision.events))

    def enter(self, change: Change) -> Change:
        """Take ``change`` for decided."""
        job_id, job = change.job_id, change.job
        if job is None:
            self._jobs.pop(job_id, None)
        else:
            self._jobs[job_id] = Stored(job=job, liveness=change.liveness)
            self.place = max(self.place, Place(job.place + 1))
            if any(isinstance(one, Announce) for one in change.effects):
                self._news.add(job_id)
                self._ended.append((job_id, job.status))
                if job_id in self.view.partial:
                    change = replace(change, effects=remember(change.effects, self.view.now))
        self.changes.append(change)
        return change

    def revise(self, revision: Revision) -> None:
        """Take what becomes of a queue, a group or a schedule for decided."""
        self.changes.append(revision)

    def group_events(
        self, group_id: GroupId, events: tuple[GroupEvent, ...], keys: tuple[KeyRow, ...] = ()
    ) -> None:
        """Take what has happened to a group for decided, with the ``keys`` that it has taken."""
        before = group = self._groups.get(group_id)
        for event in events:
            group = evolve_group(group_id, group, event)
        if group is None or not events:
            return
        self._groups[group_id] = group
        remind = due_at(group)
        if group.status is not None:
            self._ended.append((group_id, group.status))
            if group_id in self.view.partial:
                remind = self.view.now
        version = before.version if before else Version(0)
        stream = StreamId(group_id)
        revision = Revision(
            stream=stream, before=version, events=events, after=group, remind=remind, keys=keys
        )
        self.revise(revision)

    def outcome(self, parent: JobId) -> Status | None:
        """How a job or group has ended that another is to depend on; ``None``: not yet.

        Raises:
            Rejected: there is none.
        """
        group, stored = self.group(GroupId(parent)), self.find(parent)
        if group is not None:
            return group.status
        if stored is None:
            message = f"there is no job {parent} that it could depend on"
            raise Rejected(Reason.UNKNOWN_DEPENDENCY, message, command="Submit")
        return stored.job.status if stored.job.status.is_terminal else None

    def ended(self, parent: str, status: Status) -> None:
        """Settle those who wait for ``parent``, which had ended before this commit."""
        self._ended.append((parent, status))

    def settle(self) -> tuple[Change | Revision, ...]:
        """Everything decided, and all that follows from it."""
        while self._ended:
            parent, status = self._ended.popleft()
            if parent in self._settled:
                continue
            self._settled.add(parent)
            for child in self.view.dependents.get(parent, ()):
                self._tell(child, JobId(parent), status)
            if parent in self._news:
                self._tell_group(self._jobs[JobId(parent)].job)
        return tuple(self.changes)

    def _tell(self, child: JobId, parent: JobId, status: Status) -> None:
        stored = self.find(child)
        if stored is None or not isinstance(stored.job.state, Pending):
            return
        if parent in stored.job.state.unsettled:
            self.enter(self.obey(child, c.SettleDependency(parent=parent, outcome=status)))

    def _tell_group(self, job: Job) -> None:
        membership = job.spec.group
        group = None if membership is None else self.group(membership.group_id)
        if group is not None:
            events = member_ended(group, job.id, job.status, self.view.now)
            self.group_events(group.id, events)


def unchanged(stored: Stored, answer: a.Answer) -> Change:
    """No change: only an answer."""
    job = stored.job
    return Change(
        job_id=job.id,
        before=job.version,
        job=job,
        liveness=stored.liveness,
        answer=answer,
        idle=True,
    )


def kept_effects(view: View, stored: Stored) -> tuple[Effect, ...]:
    """The effects of a change that writes something beside a job which stays as it is.

    A store keeps what a change says of them in place of what was there: without them the job would
    be offered to nobody, and those who wait for it would never be told.
    """
    job, now = stored.job, view.now
    if job.status.is_terminal:
        awaited = bool(view.dependents.get(job.id)) or job.id in view.partial
        return remember((), now) if awaited else ()
    return _owed(stored, view.queues.get(job.spec.lane.queue), now)


def _owed(stored: Stored, queue: Queue | None, now: Instant) -> tuple[Effect, ...]:
    """What the job owes, and a second look at it where its patience rests in a paused queue."""
    effects, again = resume(stored, queue), look_again_at(stored.job, queue, now)
    return effects if again is None else remember(effects, again)
