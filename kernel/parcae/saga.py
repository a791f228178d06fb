"""What one job's change owes to others, and how a person takes up an ended job again."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve as replace

from parcae import events as e
from parcae.admission import offer
from parcae.commands import Submit
from parcae.compensation import carry, still_owed
from parcae.effects import Announce, Effect, Interrupt, Remind
from parcae.errors import Reason, Rejected
from parcae.queues import Queue
from parcae.reshape import again
from parcae.spec import Carried, Membership, Origin, Owed, RetryMode
from parcae.state import Job, Stored
from parcae.timing import next_due
from parcae.values import Instant, JobId, Status


def resume(stored: Stored, queue: Queue | None = None) -> tuple[Effect, ...]:
    """What is still owed when all one has is the state: a store keeps it beside the state.

    To nobody more than this is owed after a crash, so nothing that must follow is ever lost; but
    for an ended job of which others still wait: see :func:`remember`.

    Args:
        stored: the job.
        queue: what is set for its queue.
    """
    waiting = offer(stored.job, queue)
    due = next_due(stored.job, stored.liveness, queue)
    owed: list[Effect] = [] if waiting is None else [waiting]
    if due is not None:
        owed.append(Remind(at=due.at))
    return tuple(owed)


def remember(effects: tuple[Effect, ...], at: Instant) -> tuple[Effect, ...]:
    """``effects``, with a reminder at ``at`` or earlier: something is left to do then."""
    reminders = [one.at for one in effects if isinstance(one, Remind)]
    others = tuple(one for one in effects if not isinstance(one, Remind))
    return (*others, Remind(at=min((at, *reminders))))


def react(before: Job | None, after: Job, events: tuple[e.Event, ...]) -> Iterator[Effect]:
    """Whom a change should make look sooner than they would by themselves."""
    lease = before.lease if before else None
    if lease is not None and events and getattr(events[-1], "answers", None) is None:
        cancelled = any(isinstance(event, e.CancelRequested) for event in events)
        fenced = after.lease is None or after.lease.token != lease.token
        if cancelled or fenced:
            yield Interrupt(job_id=after.id, worker=lease.worker, token=lease.token)
    ended_before = before is not None and before.status.is_terminal
    if after.status.is_terminal and not ended_before:
        yield Announce(job_id=after.id, status=after.status)


def resubmission(
    origin: Job,
    mode: RetryMode,
    *,
    job_id: JobId,
    seed: int,
    settled: tuple[str, ...] = (),
    group: Membership | None = None,
    whole: bool = False,
) -> Submit:
    """The admission of a new job that takes up the ended ``origin`` (rule 5 of the lifecycle).

    Args:
        origin: the ended job; it is not touched.
        mode: from its start; from where it got; or what it still owes undone.
        job_id: the name of the new job.
        seed: of its jitter.
        settled: with mode ``undo``: phases that a person has settled by hand.
        group: the group that undoes it, where one does.
        whole: with mode ``undo``: undo what a completed origin did, for its graph failed.

    Raises:
        Rejected: the origin has not ended, or has nothing of the kind.
    """
    _refuse_unless_retryable(origin, mode, settled)
    carried = done(origin) if whole else _carried(origin, mode, settled)
    past = origin.spec.origin
    root = past.root if past is not None else origin.id
    spec = replace(
        origin.spec,
        phases=again(origin, carried, whole=mode is RetryMode.FROM_START),
        run_at=None,
        deadline=None,
        dependencies=(),
        group=group,
        unique=None,
        seed=seed,
        origin=Origin(
            job_id=origin.id,
            mode=mode,
            root=job_id if mode is RetryMode.FROM_START else root,
            settled=settled,
        ),
    )
    return Submit(spec=spec, carried=carried, not_before=origin.fence)


def _refuse_unless_retryable(origin: Job, mode: RetryMode, settled: tuple[str, ...]) -> None:
    undoing = origin.spec.origin is not None and origin.spec.origin.mode is RetryMode.UNDO
    if not origin.status.is_terminal:
        raise _refused(origin, mode, f"it is {origin.status}, not ended")
    if origin.spec.external:
        raise _refused(origin, mode, "a queue of the host's own runs it; have that run it again")
    if undoing and mode is not RetryMode.UNDO:
        raise _refused(origin, mode, "it only undoes; retry the job it undoes")
    if mode is RetryMode.RESUME and origin.status is Status.COMPLETED:
        raise _refused(origin, mode, "it is completed, nothing is left to do")
    if settled and mode is not RetryMode.UNDO:
        raise _refused(origin, mode, "phases settled by hand go with mode undo only")
    unknown = set(settled) - {one.phase for one in still_owed(origin.undos)}
    if unknown:
        raise _refused(origin, mode, f"it owes no undo of {', '.join(sorted(unknown))}")


def _carried(origin: Job, mode: RetryMode, settled: tuple[str, ...]) -> tuple[Carried, ...]:
    if mode is RetryMode.FROM_START:
        return ()
    if mode is RetryMode.RESUME:
        return carry(origin)
    owed = [one for one in still_owed(origin.undos) if one.phase not in settled]
    if not owed:
        raise _refused(origin, mode, "it owes no undo")
    return tuple(_to_undo(origin, one) for one in reversed(owed))


def done(job: Job) -> tuple[Carried, ...]:
    """What the completed ``job`` did that can be undone, in the order in which it was done."""
    if job.status is not Status.COMPLETED:
        return ()
    pairs = zip(job.spec.phases, job.phases, strict=True)
    return tuple(
        Carried(phase=spec.name, result=phase.result)
        for spec, phase in pairs
        if spec.undo is not None
    )


def _to_undo(origin: Job, owed: Owed) -> Carried:
    spec = origin.phase_spec(owed.phase)
    assert spec is not None
    assert spec.undo is not None
    if owed.unknown and not spec.undo.unknown:
        raise Rejected(
            Reason.OUTCOME_UNKNOWN,
            f"nobody knows whether phase {owed.phase!r} of job {origin.id} happened, and its undo "
            "cannot handle that: settle it by hand, then name it as settled",
            status=origin.status,
            command=RetryMode.UNDO,
        )
    index = origin.index(owed.phase)
    assert index is not None
    result = None if owed.unknown else origin.phases[index].result
    return Carried(phase=owed.phase, completed=not owed.unknown, result=result)


def _refused(origin: Job, mode: RetryMode, why: str) -> Rejected:
    return Rejected(
        Reason.NOT_RETRYABLE,
        f"job {origin.id} cannot be retried with mode {mode}: {why}",
        status=origin.status,
        command=f"retry {mode}",
    )
