"""Giving a lease back in a shutdown: it burns nothing up to a bound, then like a failure."""

from __future__ import annotations

from parcae import commands as c
from parcae import events as e
from parcae.decide.draft import Draft
from parcae.decide.ending import end
from parcae.decide.undo import give_up
from parcae.state import Compensating
from parcae.values import Cause


def release(draft: Draft, command: c.Release) -> None:
    """Put the job back in its old place; with a cancel requested, it ends instead."""
    if isinstance(draft.job.state, Compensating):
        _release_undo(draft, draft.job.state, command)
        return
    job, report, interrupted = draft.job, c.report(command), draft.interrupted()
    burned = job.releases >= job.spec.retry.max_releases
    if draft.running().cancel is not None:
        end(draft, Cause.CANCELLED, draft.now, interrupted=interrupted, answers=report)
    elif burned and job.attempts + 1 >= job.spec.retry.max_attempts:
        why = Cause.ATTEMPTS_EXHAUSTED
        end(draft, why, draft.now, interrupted=interrupted, burned_by=why, answers=report)
    else:
        draft.add(
            e.Released(
                at=draft.now,
                voluntary=True,
                burned=burned,
                interrupted=interrupted,
                answers=report,
                lacks=command.lacks,
            )
        )


def _release_undo(draft: Draft, state: Compensating, command: c.Release) -> None:
    undo, report = state.next, c.report(command)
    spec = draft.job.phase_spec(undo.phase)
    assert spec is not None
    assert spec.undo is not None
    burned = undo.releases >= spec.undo.retry.max_releases
    if burned and undo.tries + 1 >= spec.undo.retry.max_attempts:
        give_up(draft, state, cut_off=True, answers=report)
    else:
        draft.add(
            e.CompensationReleased(
                at=draft.now, voluntary=True, burned=burned, answers=report, lacks=command.lacks
            )
        )
