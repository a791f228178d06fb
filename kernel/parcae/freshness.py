"""How far what is shown of a job can be trusted, in one word, with the evidence for it.

The words are the same in the API, the command line, the console and the metrics:

``fresh``
    The job has not ended and nothing about it is overdue. Held: its worker was heard of within
    one renewal interval and a half. Not held: it waits for others or for its time, or it may have
    started for no longer than the patience of the policy, or its queue is paused, so that nobody
    is late.
``late``
    Something is overdue, but nothing is lost yet. Held: a renewal is missing, the lease still
    holds. Not held: it might have started for longer than the patience of the policy.
``stale``
    Something has fallen due that ends an attempt or the job, and the reconciler has not looked
    yet: the lease has run out, a hard timeout, a deadline or the grace of a cancel has passed, or
    it has waited for longer than its definition lets it. What its status says may be untrue now.
``reconciled``
    It has ended, and the reconciler established the end. No handler and no request brought it
    about: the job was lost, or ran out of time; it did not fail by itself.
``settled``
    It has ended by what its handlers reported, or by what somebody asked for.
``unknown``
    Nobody can tell. Its worker was last heard of in the future, or it was admitted there, so that
    a clock was set back; or it is held and there is no record of whether its worker lives; or it
    could start, and no living worker is known that runs its kind.

Where several are true, the first of these holds: ``reconciled``, ``settled``, ``stale``,
``unknown``, ``late``, ``fresh``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from attrs import field, frozen

from parcae.admission import offer
from parcae.phrases import at, span
from parcae.queues import Queue
from parcae.spec import MOMENT
from parcae.state import Ended, Job, Lease, Liveness
from parcae.timing import Due, DueKind, next_due
from parcae.values import Instant, WorkerId, minutes, valid_duration
from parcae.workers import SKEW


class Freshness(StrEnum):
    """How far what is shown of a job can be trusted; each word is defined above."""

    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"
    RECONCILED = "reconciled"
    SETTLED = "settled"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Policy:
    """By what freshness is judged.

    Attributes:
        queue: what is set for the job's queue; ``None``: nothing.
        workers: the living workers that run its kind; ``None``: nobody has counted them.
        patience: for how long a job may be able to start, and not start, without being late.
    """

    queue: Queue | None = None
    workers: frozenset[WorkerId] | None = None
    patience: timedelta = field(default=minutes(1), validator=valid_duration(MOMENT))


@frozen(kw_only=True)
class Evidence:
    """What the word stands on; ``None`` where there is nothing of the kind.

    Attributes:
        heard_at: when its worker was last heard of.
        expires_at: when its lease runs out, or did.
        due: what falls due first, or has.
        waiting_since: since when it might have started.
        age: for how long it has waited in line since then.
        paused_at: since when its queue is paused.
        workers: how many living workers are known that run its kind; of one that a queue of the
            host's own starts nobody knows.
        ended_at: when it ended.
    """

    heard_at: Instant | None = None
    expires_at: Instant | None = None
    due: Due | None = None
    waiting_since: Instant | None = None
    age: timedelta | None = None
    paused_at: Instant | None = None
    workers: int | None = None
    ended_at: Instant | None = None


@frozen(kw_only=True)
class Assessment:
    """How far what is shown of a job can be trusted.

    Attributes:
        word: in one word.
        because: why, in one sentence.
        evidence: what both stand on.
    """

    word: Freshness
    because: str
    evidence: Evidence


OVERDUE = {
    DueKind.DEADLINE: "Its deadline passed",
    DueKind.CANCEL_GRACE: "The grace of a cancel passed",
    DueKind.TIMEOUT: "Its hard timeout passed",
    DueKind.LEASE: "Its lease ran out",
    DueKind.STALE: "The longest time that it may wait in line passed",
}
"""What it means that something has fallen due."""


def assess(
    job: Job, liveness: Liveness | None, now: Instant, policy: Policy | None = None
) -> Assessment:
    """How far what is shown of ``job`` can be trusted at ``now``; the words are defined above.

    Args:
        job: the job.
        liveness: beside it.
        now: the present instant.
        policy: by what it is judged.
    """
    policy = policy or Policy()
    evidence = _evidence(job, liveness, now, policy)
    word, because = _word(job, now, policy, evidence)
    return Assessment(word=word, because=because, evidence=evidence)


def _evidence(job: Job, liveness: Liveness | None, now: Instant, policy: Policy) -> Evidence:
    state, lease, waiting = job.state, job.lease, offer(job, policy.queue)
    # Who runs what a queue of the host's own starts cannot be known here.
    counted = policy.workers is not None and not job.spec.external
    workers = len(policy.workers or ()) if counted else None
    if isinstance(state, Ended):
        return Evidence(ended_at=state.at)
    queue = policy.queue
    paused_at = queue.paused_at if queue is not None and waiting and not waiting.undo else None
    since = waiting.at if waiting is not None and waiting.at <= now else None
    expiry = None if lease is None else lease.expires_at
    return Evidence(
        heard_at=liveness.renewed_at if liveness is not None and lease is not None else None,
        expires_at=liveness.expires_at if liveness is not None and lease is not None else expiry,
        due=next_due(job, liveness, policy.queue),
        waiting_since=since,
        age=None if since is None else now - since,
        paused_at=paused_at,
        workers=workers,
    )


def _word(job: Job, now: Instant, policy: Policy, evidence: Evidence) -> tuple[Freshness, str]:
    state, due = job.state, evidence.due
    if isinstance(state, Ended):
        if state.reconciled:
            return Freshness.RECONCILED, f"The reconciler established its end at {at(state.at)}."
        return Freshness.SETTLED, f"It ended {state.status} at {at(state.at)}."
    if due is not None and due.at <= now:
        ago = span(now - due.at)
        return Freshness.STALE, f"{OVERDUE[due.kind]} {ago} ago, and nobody has looked since."
    if job.lease is not None:
        return _held(job, job.lease, now, evidence)
    return _waiting(job, now, policy, evidence)


def _held(job: Job, lease: Lease, now: Instant, evidence: Evidence) -> tuple[Freshness, str]:
    heard = evidence.heard_at
    if heard is None:
        return Freshness.UNKNOWN, f"There is no record of whether worker {lease.worker} lives."
    if heard > now:
        ahead = span(heard - now)
        return Freshness.UNKNOWN, f"Its worker was heard of {ahead} in the future: a clock is off."
    silent = now - heard
    who = f"Worker {lease.worker} was last heard of {span(silent)} ago"
    interval = job.spec.timing.renewal
    if silent > interval * 3 / 2:
        return Freshness.LATE, f"{who}, and should be every {span(interval)}."
    return Freshness.FRESH, f"{who}."


def _waiting(job: Job, now: Instant, policy: Policy, evidence: Evidence) -> tuple[Freshness, str]:
    if job.submitted_at - now > SKEW:
        ahead = span(job.submitted_at - now)
        return Freshness.UNKNOWN, f"It was admitted {ahead} in the future: a clock is off."
    if evidence.age is None:
        return Freshness.FRESH, "It waits for others, or for its time."
    if evidence.paused_at is not None:
        return Freshness.FRESH, f"Its queue is paused since {at(evidence.paused_at)}."
    if evidence.workers == 0:
        return Freshness.UNKNOWN, f"No living worker is known that runs kind {job.spec.kind}."
    waited = f"It might have started {span(evidence.age)} ago"
    if evidence.age > policy.patience:
        return Freshness.LATE, f"{waited}."
    return Freshness.FRESH, f"{waited}, which is within {span(policy.patience)}."
