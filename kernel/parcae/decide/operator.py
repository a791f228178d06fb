"""What the host and its operators ask for."""

from __future__ import annotations

from parcae import commands as c
from parcae import events as e
from parcae.compensation import still_owed
from parcae.decide.draft import Draft
from parcae.decide.ending import end
from parcae.decide.reconcile import reconcile
from parcae.errors import Reason
from parcae.spec import DependencyPolicy, RetryMode
from parcae.state import Compensating, Ended, Pending, Running, deadline
from parcae.values import Cause, Status


def submit(draft: Draft, command: c.Submit) -> None:
    """Admit a job; without dependencies it gets its place in line at once."""
    spec, now = command.spec, draft.now
    run_at = max(spec.run_at or now, command.not_before or now)
    undoing = spec.origin is not None and spec.origin.mode is RetryMode.UNDO
    fault, bound = _carried_badly(command, undoing), deadline(spec, now)
    if not undoing and not command.handed_in and bound is not None and run_at >= bound:
        fault = f"expected a deadline later than its start at {run_at}, got {bound}"
    if fault is not None:
        raise draft.rejected(command, Reason.BAD_INPUT, fault)
    fence = command.not_before
    if fence is not None and fence <= now:
        fence = None
    draft.add(e.Submitted(at=now, spec=spec, carried=command.carried, fence=fence))
    if spec.dependencies:
        for parent, outcome in command.settled:
            settle_dependency(draft, c.SettleDependency(parent=parent, outcome=outcome))
        return
    draft.add(e.Scheduled(at=now, run_at=run_at, place=draft.place))
    if undoing:
        end(draft, Cause.UNDO_REQUESTED, run_at, fence=fence)


def _carried_badly(command: c.Submit, undoing: bool) -> str | None:
    """What is wrong with what the job is to take over from its origin; ``None``: nothing."""
    spec, names = command.spec, [one.phase for one in command.carried]
    own = {phase.name: phase for phase in spec.phases}
    if len(set(names)) != len(names) or not set(names) <= own.keys():
        return f"expected phases of {sorted(own)}, each once, to be carried over, got {names}"
    if spec.dependencies and (names or command.not_before is not None):
        return "a job that takes something over cannot wait for others"
    if undoing and not any(own[name].undo for name in names):
        return "expected something to undo"
    if not undoing and len([one for one in command.carried if one.completed]) == len(own):
        return "expected a phase that is left to do"
    return None


def settle_dependency(draft: Draft, command: c.SettleDependency) -> None:
    """A job that this one depends on has ended. Told twice, it does nothing the second time."""
    job, state = draft.job, draft.job.state
    if not isinstance(state, Pending):
        return
    dependency = job.spec.by_parent.get(command.parent)
    if dependency is None:
        message = f"it does not depend on {command.parent}"
        raise draft.rejected(command, Reason.UNKNOWN_DEPENDENCY, message)
    if not command.outcome.is_terminal:
        message = f"expected the outcome of an ended job, got {command.outcome}"
        raise draft.rejected(command, Reason.BAD_INPUT, message)
    reconcile(draft)
    if command.parent not in state.unsettled or draft.job.status.is_terminal:
        return
    well = command.outcome is Status.COMPLETED
    met = well or dependency.policy is DependencyPolicy.PROCEED
    now, parent, outcome = draft.now, command.parent, command.outcome
    draft.add(e.DependencySettled(at=now, parent=parent, outcome=outcome, met=met))
    if not met:
        cancelled = dependency.policy is DependencyPolicy.CANCEL
        end(draft, Cause.DEPENDENCY_FAILED, now, cancelled=cancelled)
    elif len(state.unsettled) == 1:
        run_at = max(job.spec.run_at or now, now)
        draft.add(e.Scheduled(at=now, run_at=run_at, place=draft.place))


def cancel(draft: Draft, command: c.Cancel) -> None:
    """Stop the job, or ask its handler to; asked twice, it does nothing the second time.

    What had fallen due before it wins, whether or not anybody had looked (S30).
    """
    reconcile(draft)
    if draft.job.status.is_terminal:
        return
    request = e.CancelRequest(
        at=draft.now, by=command.by, reason=command.reason, force=command.force
    )
    state, fence = draft.job.state, draft.fence(draft.now)
    if isinstance(state, Compensating):
        if _is_news(draft, state, command):
            draft.add(e.CancelRequested(at=draft.now, request=request))
    elif isinstance(state, Running) and not command.force:
        if state.cancel is None:
            draft.add(e.CancelRequested(at=draft.now, request=request))
    else:
        fenced = isinstance(state, Running) or fence is not None
        end(
            draft,
            Cause.FORCED_CANCEL if command.force and fenced else Cause.CANCELLED,
            draft.now,
            interrupted=draft.interrupted(),
            fence=fence,
            request=request,
        )


def _is_news(draft: Draft, state: Compensating, command: c.Cancel) -> bool:
    """Whether a request changes anything: force does whenever something makes the undo wait.

    A later undo may be timed out beside its living worker: an earlier force has not answered that.
    """
    if state.cancel is None:
        return True
    waits = state.lease is None and state.ready_at > draft.now
    return command.force and (waits or not state.cancel.force)


def quarantine(draft: Draft, command: c.Quarantine) -> None:
    """Put before a person a job that nobody is to run as it was admitted: what it owes stays owed.

    What had fallen due before it wins, whether or not anybody had looked (S30). Who asked and why
    is a note, for it is no part of the outcome.
    """
    reconcile(draft)
    job, state = draft.job, draft.job.state
    if job.status.is_terminal:
        return
    if isinstance(state, Compensating) and state.lease is not None:
        raise draft.rejected(command, Reason.HELD, f"held by {state.lease.worker}")
    draft.add(e.Annotated(at=draft.now, by=command.by, note=command.reason))
    why = Cause.DEFINITION_CHANGED
    if isinstance(state, Compensating):
        owed = still_owed(state.undos)
        draft.add(e.Quarantined(at=draft.now, cause=why, trigger=state.cause, owed=owed))
    else:
        end(draft, why, draft.now, fence=draft.fence(draft.now), quarantine=True)


def annotate(draft: Draft, command: c.Annotate) -> None:
    """Add a note."""
    draft.add(e.Annotated(at=draft.now, by=command.by, note=command.note))


def delete(draft: Draft, command: c.Delete) -> None:
    """Remove an ended job past its retention."""
    state = draft.job.state
    assert isinstance(state, Ended)
    free_at = state.at + command.retention
    if free_at > draft.now:
        raise draft.rejected(command, Reason.RETAINED, f"it is kept until {free_at}")
    draft.add(e.Deleted(at=draft.now))
