"""State, event → state. Every history that ``decide`` cannot have written is ``Corrupt``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from attrs import evolve as replace

from parcae import events as e
from parcae import reshape
from parcae import state as s
from parcae.compensation import plan, still_owed
from parcae.errors import Corrupt
from parcae.lifecycle import after
from parcae.spec import Owed
from parcae.state import Job, Phase, PhaseStatus, Undo, UndoStatus
from parcae.values import Cause, Instant, JobId, Status, Token, Version

FinalEvent = e.Failed | e.Cancelled | e.CompensationBegan | e.Quarantined
"""The events that end forward work other than well."""


def fold(job_id: JobId, events: Iterable[e.Event], job: Job | None = None) -> Job | None:
    """The job after ``events``, from ``job`` on.

    Raises:
        Corrupt: no run of this kernel can have written this history.
    """
    for event in events:
        job = evolve(job_id, job, event)
    return job


def evolve(job_id: JobId, job: Job | None, event: e.Event) -> Job | None:
    """The job after ``event``; ``None``: gone.

    Raises:
        Corrupt: the event cannot follow this state.
    """
    target = after(job.status if job else None, type(event))
    if job is None:
        return _submitted(job_id, event)
    if target is None:
        return None
    moved = _apply(job, event, target)
    _require(moved.status is target, f"{type(event).__name__} did not lead to {target}")
    report = getattr(event, "answers", None)
    receipts = job.receipts
    if report is not None:
        receipt = s.Receipt(report=report, status=target)
        kept = (one for one in receipts if one.report.token != report.token)
        receipts = (*kept, receipt)
    return replace(moved, version=Version(job.version + 1), receipts=receipts)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Corrupt(message)


def _submitted(job_id: JobId, event: e.Event) -> Job:
    if not isinstance(event, e.Submitted):
        raise Corrupt(f"{type(event).__name__} cannot begin a history")
    carried = {one.phase: one for one in event.carried}
    names = {phase.name for phase in event.spec.phases}
    _require(carried.keys() <= names, f"carried phases {sorted(carried)} are not all its own")
    phases = []
    for spec in event.spec.phases:
        taken = carried.get(spec.name)
        if taken is None:
            phases.append(Phase())
        elif taken.completed:
            done = PhaseStatus.COMPLETED
            phases.append(Phase(status=done, result=taken.result, carried=True))
        else:
            phases.append(Phase(maybe=True, carried=True))
    return Job(
        id=job_id,
        spec=event.spec,
        version=Version(1),
        submitted_at=event.at,
        state=s.Pending(unsettled=tuple(one.parent for one in event.spec.dependencies)),
        phases=tuple(phases),
        fence=event.fence,
    )


def _apply(job: Job, event: e.Event, target: Status) -> Job:
    match event:
        case e.DependencySettled() | e.Scheduled():
            return _waiting(job, event)
        case e.Started() | e.PhaseStarted() | e.PhaseCompleted() | e.CancelRequested():
            return _working(job, event)
        case e.RetryScheduled() | e.Released():
            return _back_in_line(job, event)
        case e.Failed() | e.Cancelled() | e.CompensationBegan() | e.Quarantined():
            return _ended_badly(job, event, target)
        case e.Completed() | e.Compensated():
            return _ended_well(job, event, target)
        case e.CompensationClaimed() | e.UndoStarted() | e.UndoCompleted():
            return _undoing(job, event)
        case e.UndoRetryScheduled() | e.CompensationReleased() | e.CompensationLost():
            return _undo_later(job, event)
        case e.Migrated():
            return _migrated(job, event)
        case e.Annotated():
            return job
        case e.LateResultRecorded():
            _require(0 < event.token <= job.token, f"token {event.token} was never given")
            _require(event.token not in job.late, f"token {event.token} has a late result already")
            return replace(job, late=(*job.late, event.token))
        case e.Submitted() | e.Deleted():  # pragma: no cover - the table lets none through
            raise Corrupt(f"{type(event).__name__} cannot follow {job.status}")
        case _:
            assert_never(event)


def _migrated(job: Job, event: e.Migrated) -> Job:
    _require(job.lease is None, "it was migrated while somebody held it")
    wrong = reshape.fault(job, event.shape.phases)
    _require(wrong is None, f"it was migrated, but {wrong}")
    return reshape.apply(job, event.shape)


def _waiting(job: Job, event: e.DependencySettled | e.Scheduled) -> Job:
    state = job.state
    assert isinstance(state, s.Pending)
    if isinstance(event, e.DependencySettled):
        _require(event.parent in state.unsettled, f"{event.parent} is not waited for")
        index = state.unsettled.index(event.parent)
        left = state.unsettled[:index] + state.unsettled[index + 1 :]
        return replace(job, state=s.Pending(unsettled=left))
    _require(not state.unsettled, f"{state.unsettled} are not settled yet")
    since = max(event.run_at, event.at)
    return replace(job, place=event.place, state=s.Scheduled(ready_at=event.run_at, since=since))


def _working(
    job: Job, event: e.Started | e.PhaseStarted | e.PhaseCompleted | e.CancelRequested
) -> Job:
    if isinstance(event, e.Started):
        job = replace(job, state=s.Running(lease=_claimed(job, event)), starts=job.starts + 1)
        return replace(job, token=event.token, fence=None)
    if isinstance(event, e.CancelRequested):
        return _cancel_requested(job, event)
    _require_lease(job, event.token)
    index = job.index(event.phase)
    if index is None:
        raise Corrupt(f"there is no phase {event.phase!r}")
    status = job.phases[index].status
    if isinstance(event, e.PhaseStarted):
        _require(job.running_phase is None, "another phase is running")
        _require(index == job.next_phase, f"phase {event.phase!r} is not the next")
        return _with_phase(job, index, status=PhaseStatus.RUNNING, token=event.token)
    _require(status is PhaseStatus.RUNNING, f"phase {event.phase!r} was not running")
    done = PhaseStatus.COMPLETED
    return _with_phase(job, index, status=done, maybe=False, result=event.result)


def _claimed(job: Job, event: e.Started | e.CompensationClaimed) -> s.Lease:
    _require(event.token > job.token, f"token {event.token} is not greater than {job.token}")
    return s.Lease(
        token=event.token,
        worker=event.worker,
        request=event.request,
        since=event.at,
        expires_at=event.expires_at,
    )


def _cancel_requested(job: Job, event: e.CancelRequested) -> Job:
    state = job.state
    assert isinstance(state, s.Running | s.Compensating)
    if isinstance(state, s.Compensating) and event.request.force and state.lease is None:
        overlap = state.overlap or (job.fence is not None and job.fence > event.at)
        ready_at = min(state.ready_at, event.at)
        state = replace(state, ready_at=ready_at, overlap=overlap)
    return replace(job, state=replace(state, cancel=event.request))


def _require_lease(job: Job, token: Token) -> None:
    lease = job.lease
    _require(lease is not None and lease.token == token, f"token {token} does not hold the job")


def _with_phase(job: Job, index: int, **changes: Any) -> Job:
    changed = replace(job.phases[index], **changes)
    return replace(job, phases=(*job.phases[:index], changed, *job.phases[index + 1 :]))


def _back_in_line(job: Job, event: e.RetryScheduled | e.Released) -> Job:
    job = replace(job, phases=_paused(job, event.interrupted))
    if isinstance(event, e.Released):
        return replace(
            job,
            state=s.Scheduled(ready_at=event.at, since=event.at),
            releases=job.releases + event.voluntary,
            attempts=job.attempts + event.burned,
        )
    return replace(
        job,
        state=s.Scheduled(ready_at=event.run_at, since=event.run_at),
        place=event.place,
        attempts=job.attempts + 1,
        losses=job.losses + (event.cause is Cause.LEASE_LOST),
        error=event.error or job.error,
        fence=event.fence,
    )


def _paused(job: Job, interrupted: str | None) -> tuple[Phase, ...]:
    """The phases between two attempts: none runs, and what was cut off may have happened."""
    index = job.running_phase
    if index is None:
        _require(interrupted is None, f"phase {interrupted!r} was not running")
        return job.phases
    maybe = job.phases[index].maybe or interrupted is not None
    name = job.spec.phases[index].name
    _require(interrupted in (None, name), f"phase {interrupted!r} was not running")
    return _with_phase(job, index, status=PhaseStatus.PENDING, maybe=maybe).phases


def _finished(job: Job, interrupted: str | None) -> tuple[Phase, ...]:
    """The phases once no more will be run: each unfinished one is marked."""
    raised = job.running_phase if interrupted is None else None
    return tuple(
        phase
        if phase.status is PhaseStatus.COMPLETED
        else replace(phase, status=_mark(phase, i == raised))
        for i, phase in enumerate(_paused(job, interrupted))
    )


def _mark(phase: Phase, raised: bool) -> PhaseStatus:
    if phase.maybe:
        return PhaseStatus.INTERRUPTED
    return PhaseStatus.FAILED if raised else PhaseStatus.SKIPPED


def _ended_badly(job: Job, event: FinalEvent, target: Status) -> Job:
    if isinstance(job.state, s.Compensating):
        assert isinstance(event, e.Quarantined)
        return _undo_given_up(job, job.state, event)
    owed = plan(job, event.interrupted).owed
    _require(bool(owed) or not isinstance(event, e.CompensationBegan), "nothing is to be undone")
    given = _given(event)
    _require(owed == given, f"{type(event).__name__} owes {given}, but the phases say {owed}")
    state = job.state
    request = getattr(event, "request", None) or (
        state.cancel if isinstance(state, s.Running) else None
    )
    after_end: s.State
    if isinstance(event, e.CompensationBegan):
        after_end = s.Compensating(
            cause=event.cause,
            undos=tuple(Undo(phase=one.phase, unknown=one.unknown) for one in owed),
            ready_at=event.ready_at,
            reconciled=event.reconciled,
            overlap=event.overlap,
            cancel=request,
        )
    else:
        after_end = s.Ended(
            status=target,
            at=event.at,
            cause=event.cause,
            trigger=getattr(event, "trigger", None),
            reconciled=event.reconciled,
            undos=tuple(
                Undo(phase=one.phase, unknown=one.unknown, status=UndoStatus.OWED) for one in given
            ),
            cancel=request,
        )
    return replace(
        job,
        state=after_end,
        phases=_finished(job, event.interrupted),
        attempts=job.attempts + (event.burned_by is not None),
        losses=job.losses + (event.burned_by is Cause.LEASE_LOST),
        error=event.error or job.error,
        fence=event.fence,
    )


def _given(event: FinalEvent) -> tuple[Owed, ...]:
    if isinstance(event, e.CompensationBegan):
        return event.undos
    return event.owed if isinstance(event, e.Quarantined) else ()


def _ended_well(job: Job, event: e.Completed | e.Compensated, target: Status) -> Job:
    state = job.state
    if isinstance(event, e.Completed):
        assert isinstance(state, s.Running)
        _require(job.next_phase is None, "not all phases are completed")
        ended = s.Ended(status=target, at=event.at, cancel=state.cancel)
        return replace(job, state=ended)
    assert isinstance(state, s.Compensating)
    _require(not still_owed(state.undos), "not everything is undone")
    ended = s.Ended(
        status=target,
        at=event.at,
        cause=state.cause,
        reconciled=state.reconciled,
        overlap=state.overlap,
        undos=state.undos,
        cancel=state.cancel,
    )
    return replace(job, state=ended)


def _undoing(job: Job, event: e.CompensationClaimed | e.UndoStarted | e.UndoCompleted) -> Job:
    state = job.state
    assert isinstance(state, s.Compensating)
    if isinstance(event, e.CompensationClaimed):
        _require(state.lease is None, "the job is held already")
        # A forced undo may be claimed before the fence: whoever takes the job up later still waits.
        still = job.fence if job.fence is not None and job.fence > event.at else None
        claimed = replace(state, lease=_claimed(job, event))
        return replace(job, state=claimed, token=event.token, fence=still)
    _require_lease(job, event.token)
    undo = state.next
    _require(undo.phase == event.phase, f"the undo of {event.phase!r} is not the next")
    running = undo.status is UndoStatus.RUNNING
    if isinstance(event, e.UndoStarted):
        _require(not running, f"the undo of {event.phase!r} is running already")
        assert state.lease is not None
        state = replace(state, lease=replace(state.lease, since=event.at))
        state = _with_undo(state, undo, status=UndoStatus.RUNNING, token=event.token)
    else:
        _require(running, f"the undo of {event.phase!r} was not running")
        state = _with_undo(state, undo, status=UndoStatus.DONE, interrupted=False)
    return replace(job, state=state)


def _undo_later(
    job: Job, event: e.UndoRetryScheduled | e.CompensationReleased | e.CompensationLost
) -> Job:
    state = job.state
    assert isinstance(state, s.Compensating)
    _require(state.lease is not None, "nobody holds the job")
    undo = state.next
    raised = isinstance(event, e.UndoRetryScheduled)
    changes: dict[str, Any] = {"status": UndoStatus.PENDING}
    if undo.status is UndoStatus.RUNNING and not raised:
        changes["interrupted"] = True
    if isinstance(event, e.CompensationReleased):
        changes["releases"] = undo.releases + event.voluntary
        changes["tries"] = undo.tries + event.burned
        ready_at, fence = event.at, None
    elif isinstance(event, e.CompensationLost):
        changes["tries"] = undo.tries + 1
        ready_at, fence = event.ready_at, event.fence
    else:
        _require(undo.phase == event.phase, f"the undo of {event.phase!r} is not in work")
        changes["tries"] = undo.tries + 1
        ready_at, fence = event.ready_at, None
        job = replace(job, error=event.error)
    state = replace(_with_undo(state, undo, **changes), lease=None, ready_at=ready_at)
    return replace(job, state=state, fence=_later(job.fence, fence))


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    return max((fence for fence in (one, other) if fence is not None), default=None)


def _with_undo(state: s.Compensating, undo: Undo, **changes: Any) -> s.Compensating:
    changed = replace(undo, **changes)
    return replace(state, undos=tuple(changed if one is undo else one for one in state.undos))


def _undo_given_up(job: Job, state: s.Compensating, event: e.Quarantined) -> Job:
    """The next undo has failed for good, or is not to be tried: all that are left are owed."""
    owed = still_owed(state.undos)
    _require(owed == event.owed, f"Quarantined owes {event.owed}, but the undos say {owed}")
    undo = state.next
    cut_off = undo.status is UndoStatus.RUNNING and event.interrupted == undo.phase
    # A definition that changed says nothing of an undo: no try of it was burned.
    if event.cause is not Cause.DEFINITION_CHANGED:
        state = _with_undo(
            state,
            undo,
            status=UndoStatus.FAILED,
            tries=undo.tries + 1,
            interrupted=undo.interrupted or cut_off,
        )
    owed_to = (UndoStatus.DONE, UndoStatus.FAILED)
    ended = s.Ended(
        status=Status.QUARANTINED,
        at=event.at,
        cause=event.cause,
        trigger=event.trigger,
        reconciled=event.reconciled,
        overlap=state.overlap,
        undos=tuple(
            one if one.status in owed_to else replace(one, status=UndoStatus.OWED)
            for one in state.undos
        ),
        cancel=state.cancel,
    )
    fence = _later(job.fence, event.fence)
    return replace(job, state=ended, error=event.error or job.error, fence=fence)
