"""How long ended jobs are kept: by outcome and age; and what is kept for longer, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from attrs import evolve as replace
from attrs import field, frozen

from parcae import answers as a
from parcae import commands as c
from parcae.change import Change, KeyRow, Revision, View
from parcae.errors import Reason, Rejected
from parcae.handle import obey
from parcae.holds import held, lifted, placed
from parcae.ledger import kept_effects, unchanged
from parcae.state import Ended, Job, Stored
from parcae.values import Instant, JobId, Status, hours, valid_duration

KEY_SCOPES = ("hold", "submit", "unique")
"""The scopes of keys that mean nothing once they are over. What is left of a rate still counts,
and what a retry has taken over is never over."""

KEY_GRACE = hours(24)
"""So long a key is kept once it is over: a clock that is set back by less finds it again (S21)."""

_KEPT = valid_duration(timedelta(0))


@frozen(kw_only=True)
class Retention:
    """For how long a job is kept once it has ended so; ``None``: for ever."""

    completed: timedelta | None = field(default=None, validator=_KEPT)
    failed: timedelta | None = field(default=None, validator=_KEPT)
    cancelled: timedelta | None = field(default=None, validator=_KEPT)
    compensated: timedelta | None = field(default=None, validator=_KEPT)
    quarantined: timedelta | None = field(default=None, validator=_KEPT)

    def of(self, status: Status) -> timedelta | None:
        """For how long a job that ended so is kept."""
        return {
            Status.COMPLETED: self.completed,
            Status.FAILED: self.failed,
            Status.CANCELLED: self.cancelled,
            Status.COMPENSATED: self.compensated,
            Status.QUARANTINED: self.quarantined,
        }.get(status)

    @property
    def statuses(self) -> frozenset[Status]:
        """The outcomes of which any job is ever deleted."""
        return frozenset(status for status in Status if self.of(status) is not None)


@frozen(kw_only=True)
class Verdict:
    """What retention makes of one job that was kept for long enough.

    Attributes:
        job_id: the job.
        status: how it ended.
        ended_at: when.
        kept: why it is kept all the same; ``None``: it is deleted.
    """

    job_id: JobId
    status: Status
    ended_at: Instant
    kept: str | None = None


def keys_over_before(now: Instant) -> Instant:
    """The keys that were over then are of no use to anybody."""
    return now - KEY_GRACE


def kept_until(job: Job, policy: Retention) -> Instant | None:
    """Until when a job is kept; ``None``: for ever, or it has not ended."""
    state = job.state
    duration = policy.of(job.status)
    return state.at + duration if isinstance(state, Ended) and duration is not None else None


def past_retention(job: Job, policy: Retention, now: Instant) -> bool:
    """Whether a job was kept for long enough."""
    until = kept_until(job, policy)
    return until is not None and until <= now


def sweep(
    view: View, ids: Iterable[JobId], policy: Retention
) -> tuple[Sequence[Change | Revision], Sequence[Verdict]]:
    """Rule: delete those of ``ids`` that were kept for long enough, unless something needs them.

    Whoever waits for a job may want its result, a group may have to undo what it did, and a legal
    hold outlasts every policy. The keys of a job outlive it.
    """
    changes: list[Change | Revision] = []
    verdicts: list[Verdict] = []
    for name in ids:
        stored = view.jobs.get(name)
        if stored is None or not past_retention(stored.job, policy, view.now):
            continue
        made, verdict = _swept(view, stored.job, policy)
        changes += made
        verdicts.append(verdict)
    return tuple(changes), tuple(verdicts)


def _swept(view: View, job: Job, policy: Retention) -> tuple[Sequence[Change | Revision], Verdict]:
    state, duration = job.state, policy.of(job.status)
    assert isinstance(state, Ended)
    assert duration is not None
    verdict = Verdict(job_id=job.id, status=state.status, ended_at=state.at)
    try:
        return obey(view, job.id, c.Delete(retention=duration)), verdict
    except Rejected as refusal:
        return (), replace(verdict, kept=str(refusal).partition(" is kept: ")[2] or str(refusal))


def hold(view: View, job_id: JobId, by: str = "", reason: str = "") -> Change:
    """Rule: keep a job, whatever retention says, until the hold is lifted.

    Raises:
        Rejected: there is no such job.
    """
    stored = _found(view, job_id, "Hold")
    if held(view.keys, job_id, view.now) is not None:
        return unchanged(stored, _taken(stored))
    return _noted(view, stored, placed(job_id, by, reason))


def lift(view: View, job_id: JobId) -> Change:
    """Rule: leave a job to retention again; where there is no hold, nothing.

    Raises:
        Rejected: there is no such job.
    """
    stored = _found(view, job_id, "Release")
    row = held(view.keys, job_id, view.now)
    if row is None:
        return unchanged(stored, _taken(stored))
    return _noted(view, stored, lifted(row, view.now))


def _found(view: View, job_id: JobId, command: str) -> Stored:
    stored = view.jobs.get(job_id)
    if stored is None:
        raise Rejected(Reason.NOT_FOUND, f"there is no job {job_id}", command=command)
    return stored


def _taken(stored: Stored) -> a.Accepted:
    return a.Accepted(job_id=stored.job.id, status=stored.job.status)


def _noted(view: View, stored: Stored, row: KeyRow) -> Change:
    """A key to write, and nothing else: what is owed to the job stays as it is."""
    change = unchanged(stored, _taken(stored))
    return replace(change, keys=(row,), effects=kept_effects(view, stored), idle=False)
