"""Admission of one job: under keys, under constraints, and in place of an ended one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve as replace
from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae.change import Change, Key, KeyRow, Revision, View
from parcae.errors import Reason, Rejected
from parcae.ledger import Ledger, kept_effects, unchanged
from parcae.saga import resubmission
from parcae.spec import RetryMode, Spec, Unique, Until
from parcae.state import Job, Pending, Scheduled
from parcae.values import MAX_BLOB, Instant, JobId, Status, Version, job_id, mix


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
) -> Sequence[Change | Revision]:
    """Rule: admit a job, or answer with the one that stands for it; its change comes first.

    Raises:
        Rejected: the payload is too large, the key came with another body before, or a job that
            it depends on is not there.
    """
    # What only a key compares is not computed for nobody; nothing below changes it.
    mark = "" if idempotency is None else fingerprint(spec)
    known = _known(view, idempotency, mark)
    if known is not None:
        return (known,)
    spec = replace(spec, seed=mix("seed", view.seed))
    ledger, fresh = Ledger(view), job_id(view.now, view.seed)
    keys = key_rows(view, idempotency, mark, fresh)
    if spec.unique is None:
        admit(ledger, fresh, spec, payload, keys)
        return ledger.settle()
    spec = replace(spec, unique=named(spec))
    holder = _holder(view, spec)
    if holder is not None:
        standing = _standing(view, holder, spec)
        if standing is not None:
            named_too = key_rows(view, idempotency, mark, standing.job_id)
            if not named_too or standing.job is None:
                return (standing,)
            return (replace(standing, keys=named_too, idle=False),)
        spec = replace(spec, unique=_inherited(view, holder, spec))
    spec = _debounced(spec, view.now)
    admit(ledger, fresh, spec, payload, (*keys, _claimed(spec, fresh, view.now)))
    if holder is not None and holder.job_id in view.jobs:
        _replace(ledger, holder.job_id, fresh)
    return ledger.settle()


def admit(
    ledger: Ledger,
    fresh: JobId,
    spec: Spec,
    payload: bytes,
    keys: tuple[KeyRow, ...] = (),
    *,
    handed_in: bool = False,
) -> Change:
    """Enter the admission of the job ``fresh`` into ``ledger``.

    Raises:
        Rejected: the payload is too large, or a job that it depends on is not there.
    """
    if len(payload) > MAX_BLOB:
        message = f"expected a payload of at most {MAX_BLOB} bytes, got {len(payload)}"
        raise Rejected(Reason.TOO_LARGE, message, command="Submit")
    outcomes = ((one.parent, ledger.outcome(one.parent)) for one in spec.dependencies)
    settled = tuple((parent, outcome) for parent, outcome in outcomes if outcome is not None)
    command = c.Submit(spec=spec, settled=settled, handed_in=handed_in)
    return ledger.enter(ledger.obey(fresh, command, keys=keys, blobs=((spec.payload, payload),)))


def fingerprint(spec: Spec) -> str:
    """What must be the same where a key is the same."""
    lane, parents = spec.lane, [one.parent for one in spec.dependencies]
    return f"{mix(spec.kind, spec.payload.digest, lane.queue, lane.key, *parents):032x}"


def unique_key(name: str) -> Key:
    """The key of the one job that stands for all of a constraint."""
    return Key(scope="unique", key=name)


def named(spec: Spec) -> Unique:
    """The constraint of ``spec``, with a name: kind, arguments and lane if it was given none."""
    assert spec.unique is not None
    if spec.unique.name:
        return spec.unique
    body = mix(spec.kind, spec.payload.digest, spec.lane.queue, spec.lane.key)
    return replace(spec.unique, name=f"{body:032x}")


def _holder(view: View, spec: Spec) -> KeyRow | None:
    """The row of whoever stands for the constraint now; ``None``: nobody does (any more)."""
    assert spec.unique is not None
    row = view.keys.get(unique_key(spec.unique.name))
    if row is None:
        return None
    stored = view.jobs.get(row.job_id)
    until = Until(row.fingerprint)
    if until is Until.FOREVER:
        return row
    if until is Until.EXPIRED:
        return row if row.expires_at is not None and row.expires_at > view.now else None
    if stored is None or stored.job.status.is_terminal:
        return None
    return row if until is Until.ENDED or _waits(stored.job) else None


def _waits(job: Job) -> bool:
    return isinstance(job.state, Pending | Scheduled) and job.starts == 0


def _standing(view: View, row: KeyRow, spec: Spec) -> Change | None:
    """The answer that names the job that stands; ``None``: it is to be replaced."""
    assert spec.unique is not None
    stored = view.jobs.get(row.job_id)
    # Nor may the new job itself wait for it: its end would be told to nobody.
    wanted = any(one.parent == row.job_id for one in spec.dependencies)
    awaited = wanted or view.dependents.get(row.job_id) or row.job_id in view.partial
    if spec.unique.replace and stored is not None and _waits(stored.job) and not awaited:
        return None
    answer = a.Admitted(job_id=row.job_id, duplicate=True, deleted=stored is None)
    return _answered(view, row.job_id, answer)


def _inherited(view: View, row: KeyRow, spec: Spec) -> Unique:
    """The constraint of a job that takes the place of one: its patience has begun before."""
    assert spec.unique is not None
    stored = view.jobs.get(row.job_id)
    past = stored.job.spec.unique if stored else None
    return replace(spec.unique, since=past.since if past else None)


def _debounced(spec: Spec, now: Instant) -> Spec:
    unique = spec.unique
    assert unique is not None
    unique = replace(unique, since=unique.since or now)
    if unique.delay is None:
        return replace(spec, unique=unique)
    run_at = now + unique.delay
    if unique.at_most is not None and unique.since is not None:
        run_at = max(min(run_at, unique.since + unique.at_most), now)
    return replace(spec, unique=unique, run_at=max(run_at, spec.run_at or now))


def _claimed(spec: Spec, fresh: JobId, now: Instant) -> KeyRow:
    unique = spec.unique
    assert unique is not None
    return KeyRow(
        key=unique_key(unique.name),
        fingerprint=unique.until,
        job_id=fresh,
        expires_at=None if unique.period is None else now + unique.period,
    )


def _replace(ledger: Ledger, old: JobId, fresh: JobId) -> None:
    """Cancel a job that has not started, for another one takes its place."""
    stored = ledger.find(old)
    if stored is not None and _waits(stored.job):
        ledger.enter(ledger.obey(old, c.Cancel(reason=f"replaced by job {fresh}")))


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
    whole = mode is RetryMode.UNDO and _to_undo_wholly(view, stored.job)
    command = resubmission(stored.job, mode, job_id=fresh, seed=seed, settled=settled, whole=whole)
    keys = key_rows(view, idempotency, body, fresh)
    if mode is not RetryMode.FROM_START:
        once = carry_key(origin_id)
        if once in view.keys:
            taken = view.keys[once].job_id
            message = f"what job {origin_id} did was taken over already, by job {taken}"
            raise Rejected(Reason.ALREADY_RETRIED, message, command=f"retry {mode}")
        keys = (*keys, KeyRow(key=once, fingerprint=body, job_id=fresh))
    return take_up(Ledger(view), fresh, origin_id, command, keys)


def take_up(
    ledger: Ledger, fresh: JobId, origin: JobId, command: c.Submit, keys: tuple[KeyRow, ...]
) -> Change:
    """Enter the admission of a job that takes up ``origin``, whose blobs it copies."""
    refs = [command.spec.payload, *(one.result for one in command.carried if one.result)]
    blobs = tuple((ref, ledger.view.blobs[origin, ref.name]) for ref in refs)
    return ledger.enter(ledger.obey(fresh, command, keys=keys, blobs=blobs))


def _to_undo_wholly(view: View, origin: Job) -> bool:
    """A completed member is undone by hand only once its graph has failed to do so."""
    membership = origin.spec.group
    group = None if membership is None else view.groups.get(membership.group_id)
    failed = group is not None and group.compensate and group.status is Status.QUARANTINED
    return failed and origin.status is Status.COMPLETED


def carry_key(origin: JobId) -> Key:
    """The key of the one job that carries on, or undoes, what ``origin`` did."""
    return Key(scope="carry", key=origin)


def seen(
    view: View, idempotency: Idempotency | None, body: str, command: str = "Submit"
) -> KeyRow | None:
    """The row of a key that was used before with the same ``body``; ``None``: it is free.

    Raises:
        Rejected: the key was used with another body.
    """
    row = view.keys.get(idempotency.key) if idempotency else None
    if row is None or (row.expires_at is not None and row.expires_at <= view.now):
        return None
    if row.fingerprint != body:
        # The name of a group says by itself what it is of.
        whose = row.job_id if row.job_id.startswith("group/") else f"job {row.job_id}"
        message = f"the key {row.key.key!r} was used with another request, for {whose}"
        raise Rejected(Reason.KEY_REUSED, message, command=command)
    return row


def _known(view: View, idempotency: Idempotency | None, body: str) -> Change | None:
    row = seen(view, idempotency, body)
    if row is None:
        return None
    deleted = row.job_id not in view.jobs
    answer = a.Admitted(job_id=row.job_id, duplicate=True, deleted=deleted)
    return _answered(view, row.job_id, answer)


def _answered(view: View, job_id: JobId, answer: a.Answer) -> Change:
    """No change: only an answer about a job that may be gone."""
    stored = view.jobs.get(job_id)
    if stored is None:
        return Change(job_id=job_id, before=Version(0), job=None, answer=answer, idle=True)
    return replace(unchanged(stored, answer), effects=kept_effects(view, stored))


def key_rows(
    view: View, idempotency: Idempotency | None, body: str, job: JobId
) -> tuple[KeyRow, ...]:
    """The row by which a key is remembered, if there is one: for a job, or for a group."""
    if idempotency is None:
        return ()
    expires_at = view.now + idempotency.ttl
    return (KeyRow(key=idempotency.key, fingerprint=body, job_id=job, expires_at=expires_at),)
