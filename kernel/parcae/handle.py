"""Command + view → ``Change``: everything a commit has to hold, decided in one pure call.

The functions that take a whole :class:`View` are the *rules* that a store runs in its
transactions. A rule may run more than once; only the run whose result is stored counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae import events as e
from parcae.admission import choose
from parcae.change import Change, Key, KeyRow, View
from parcae.decide import Decision, decide
from parcae.errors import LeaseLost, ParcaeError, Reason, Rejected
from parcae.saga import react, resubmission, resume
from parcae.spec import RetryMode, Spec
from parcae.state import Compensating, Ended, Job, Running, Stored
from parcae.values import MAX_BLOB, Blob, Cause, JobId, Place, Status, Version, job_id, mix


def handle(view: View, job: JobId, command: c.Command, data: bytes | None = None) -> Change:
    """What ``command`` makes of one job of the view.

    Args:
        view: what the store loaded.
        job: the job's name.
        command: what is asked.
        data: the bytes of the result that the command reports.

    Raises:
        Rejected: the command is not lawful; nothing changes.
        LeaseLost: the worker does not hold the job any more.
        Conflict: a renewal would shorten the lease.
    """
    return _handle(view, job, command, view.place, data)


def _handle(
    view: View, job: JobId, command: c.Command, place: Place, data: bytes | None = None
) -> Change:
    stored = view.jobs.get(job)
    if isinstance(command, c.Cancel) and stored is not None and stored.job.status.is_terminal:
        return unchanged(stored, _cancel_answer(stored.job, a.CancelOutcome.ALREADY_ENDED))
    decision = decide(job, stored, command, view.now, place)
    return _change(job, stored, decision, _answer(job, stored, command, decision), data)


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


def _change(
    job_id: JobId, stored: Stored | None, decision: Decision, answer: a.Answer, data: bytes | None
) -> Change:
    before, after = stored.job if stored else None, decision.job
    kept = stored.liveness if stored else None
    effects = () if after is None else resume(Stored(job=after, liveness=decision.liveness))
    if after is not None:
        effects = (*effects, *react(before, after, decision.events))
    return Change(
        job_id=job_id,
        before=before.version if before else Version(0),
        events=decision.events,
        job=after,
        liveness=decision.liveness,
        blobs=tuple(_blobs(decision.events, data)),
        effects=effects,
        answer=answer,
        idle=not decision.events and decision.liveness == kept,
    )


def _blobs(events: Iterable[e.Event], data: bytes | None) -> Iterable[tuple[Blob, bytes]]:
    for event in events:
        result = getattr(event, "result", None)
        if result is not None and data is not None:
            yield result, data


def _answer(
    job_id: JobId, stored: Stored | None, command: c.Command, decision: Decision
) -> a.Answer:
    job, events, liveness = decision.job, decision.events, decision.liveness
    if job is None:
        return a.Deletion(job_id=job_id)
    if isinstance(command, c.Submit):
        return a.Admitted(job_id=job_id)
    if isinstance(command, c.Claim):
        assert job.lease is not None
        assert liveness is not None
        return a.Granted(job=job, lease=job.lease, expires_at=liveness.expires_at)
    if isinstance(command, c.Renew):
        assert liveness is not None
        cancelled = isinstance(job.state, Running) and job.state.cancel is not None
        return a.Renewed(expires_at=liveness.expires_at, cancel_requested=cancelled)
    if isinstance(command, c.Cancel):
        return _cancel_answer(job, _cancel_outcome(job))
    if isinstance(command, c.Reconcile):
        assert stored is not None
        return a.Reconciled(
            job_id=job_id, before=stored.job.status, after=job.status, cause=_cause(job, events)
        )
    if events and isinstance(events[-1], e.LateResultRecorded):
        message = f"token {events[-1].token} is not current; its late result is kept as evidence"
        return LeaseLost(Reason.STALE_TOKEN, message)
    assert decision.status is not None
    return a.Accepted(job_id=job_id, status=decision.status)


def _cause(job: Job, events: Sequence[e.Event]) -> Cause | None:
    if isinstance(job.state, Ended | Compensating) and job.state.cause is not None:
        return job.state.cause
    return next((c for event in reversed(events) if (c := getattr(event, "cause", None))), None)


def _cancel_outcome(job: Job) -> a.CancelOutcome:
    if isinstance(job.state, Running):
        return a.CancelOutcome.CANCELLING
    if isinstance(job.state, Compensating):
        return a.CancelOutcome.COMPENSATING
    ended_so = job.status is Status.CANCELLED
    return a.CancelOutcome.CANCELLED if ended_so else a.CancelOutcome.ALREADY_ENDED


def _cancel_answer(job: Job, outcome: a.CancelOutcome) -> a.CancelAnswer:
    state = job.state
    cause = state.cause if isinstance(state, Ended | Compensating) else None
    return a.CancelAnswer(job_id=job.id, outcome=outcome, status=job.status, cause=cause)


@frozen(kw_only=True)
class Idempotency:
    """A key under which a submission may be repeated.

    Attributes:
        key: the caller's.
        ttl: for how long it is remembered.
    """

    key: Key
    ttl: timedelta


def submit(
    view: View, spec: Spec, payload: bytes, idempotency: Idempotency | None = None
) -> Change:
    """Rule: admit a job, or answer with the one that the key admitted before.

    Raises:
        Rejected: the payload is too large, or the key came with another body before.
    """
    if len(payload) > MAX_BLOB:
        message = f"expected a payload of at most {MAX_BLOB} bytes, got {len(payload)}"
        raise Rejected(Reason.TOO_LARGE, message, command="Submit")
    lane = spec.lane
    body = f"{mix(spec.kind, spec.payload.digest, lane.queue, lane.key):032x}"
    known = _known(view, idempotency, body)
    if known is not None:
        return known
    spec = replace(spec, seed=mix("seed", view.seed))
    admitted = handle(view, job_id(view.now, view.seed), c.Submit(spec=spec))
    keys = _keys(view, idempotency, body, admitted.job_id)
    return _with(admitted, keys, ((spec.payload, payload),))


def retry(
    view: View,
    origin_id: JobId,
    mode: RetryMode,
    settled: tuple[str, ...] = (),
    idempotency: Idempotency | None = None,
) -> Change:
    """Rule: admit a new job that takes up an ended one.

    What an origin did is carried on, or undone, by one job only (S12): the second is refused.

    Raises:
        Rejected: the origin is not there, has not ended, or was taken up already.
    """
    body = f"{mix('retry', origin_id, mode, *settled):032x}"
    known = _known(view, idempotency, body)
    if known is not None:
        return known
    stored = view.jobs.get(origin_id)
    if stored is None:
        raise Rejected(Reason.NOT_FOUND, f"there is no job {origin_id}", command=f"retry {mode}")
    fresh = job_id(view.now, view.seed)
    seed = mix("seed", view.seed)
    command = resubmission(stored.job, mode, job_id=fresh, seed=seed, settled=settled)
    keys = _keys(view, idempotency, body, fresh)
    if mode is not RetryMode.FROM_START:
        once = carry_key(origin_id)
        if once in view.keys:
            taken = view.keys[once].job_id
            message = f"what job {origin_id} did was taken over already, by job {taken}"
            raise Rejected(Reason.ALREADY_RETRIED, message, command=f"retry {mode}")
        keys = (*keys, KeyRow(key=once, fingerprint=body, job_id=fresh))
    refs = [command.spec.payload, *(one.result for one in command.carried if one.result)]
    blobs = tuple((ref, view.blobs[origin_id, ref.name]) for ref in refs)
    return _with(handle(view, fresh, command), keys, blobs)


def carry_key(origin: JobId) -> Key:
    """The key of the one job that carries on, or undoes, what ``origin`` did."""
    return Key(scope="carry", key=origin)


def _known(view: View, idempotency: Idempotency | None, body: str) -> Change | None:
    row = view.keys.get(idempotency.key) if idempotency else None
    if row is None or (row.expires_at is not None and row.expires_at <= view.now):
        return None
    if row.fingerprint != body:
        message = f"the key {row.key.key!r} was used with another request, for job {row.job_id}"
        raise Rejected(Reason.KEY_REUSED, message, command="Submit")
    stored = view.jobs.get(row.job_id)
    answer = a.Admitted(job_id=row.job_id, duplicate=True, deleted=stored is None)
    if stored is not None:
        return unchanged(stored, answer)
    return Change(job_id=row.job_id, before=Version(0), job=None, answer=answer, idle=True)


def _keys(view: View, idempotency: Idempotency | None, body: str, job: JobId) -> tuple[KeyRow, ...]:
    if idempotency is None:
        return ()
    expires_at = view.now + idempotency.ttl
    return (KeyRow(key=idempotency.key, fingerprint=body, job_id=job, expires_at=expires_at),)


def _with(
    change: Change, keys: tuple[KeyRow, ...], blobs: tuple[tuple[Blob, bytes], ...]
) -> Change:
    return replace(change, keys=keys, blobs=blobs)


def claim(
    view: View,
    command: c.Claim,
    *,
    kinds: frozenset[str],
    queues: frozenset[str] | None,
    limit: int,
) -> Sequence[Change]:
    """Rule: grant up to ``limit`` jobs; to a repeated request, what it was granted before."""
    again = [stored for stored in view.jobs.values() if _granted_to(stored.job, command)]
    if again:
        return tuple(_permitted(view, again, command))
    chosen = choose(view.jobs.values(), view.now, kinds, queues)
    return tuple(handle(view, job.id, command) for job in chosen[:limit])


def _granted_to(job: Job, command: c.Claim) -> bool:
    lease = job.lease
    held = None if lease is None else (lease.request, lease.worker)
    return held == (command.request, command.worker)


def _permitted(view: View, again: Sequence[Stored], command: c.Claim) -> Iterable[Change]:
    """A repeated permission is never more than what is permitted now."""
    for stored in again:
        try:
            yield handle(view, stored.job.id, command)
        except (LeaseLost, Rejected):
            continue


def reconcile(view: View) -> Sequence[Change]:
    """Rule: settle whatever is due among the jobs of the view."""
    changes = (
        _handle(view, job, c.Reconcile(), Place(view.place + index))
        for index, job in enumerate(view.jobs)
    )
    return tuple(change for change in changes if not change.idle)


@frozen(kw_only=True)
class Held:
    """One lease that a worker wants to keep."""

    job_id: JobId
    command: c.Renew


def renew(
    view: View, held: Sequence[Held]
) -> tuple[Sequence[Change], Sequence[a.Renewed | ParcaeError]]:
    """Rule: renew many leases at once; each has an answer of its own, in the order of ``held``."""
    changes: list[Change] = []
    answers: list[a.Renewed | ParcaeError] = []
    for one in held:
        try:
            change = handle(view, one.job_id, one.command)
        except ParcaeError as refusal:
            answers.append(refusal)
            continue
        changes.append(change)
        assert isinstance(change.answer, a.Renewed)
        answers.append(change.answer)
    return tuple(changes), tuple(answers)
