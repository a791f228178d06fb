"""Command, state → events. Pure: the same question always has the same answer.

``decide`` asks the policies and the lifecycle table, never a clock: the instant and the next free
place in line arrive with the question.
"""

from __future__ import annotations

from typing import assert_never

from parcae import commands as c
from parcae.decide.abandon import abandon, still_news
from parcae.decide.claims import claim, renew
from parcae.decide.draft import Decision, Draft
from parcae.decide.fence import holds
from parcae.decide.forward import complete_phase, confirm_cancel, fail, start_phase
from parcae.decide.migrate import migrate
from parcae.decide.operator import (
    annotate,
    cancel,
    delete,
    quarantine,
    settle_dependency,
    submit,
)
from parcae.decide.reconcile import reconcile
from parcae.decide.release import release
from parcae.decide.undo import complete_undo, fail_undo, start_undo
from parcae.errors import Reason
from parcae.lifecycle import ACCEPTS
from parcae.queues import Queue
from parcae.state import Stored
from parcae.values import Instant, JobId, Place

__all__ = ["Decision", "decide"]


def decide(
    job_id: JobId,
    stored: Stored | None,
    command: c.Command,
    now: Instant,
    place: Place,
    queue: Queue | None = None,
) -> Decision:
    """What ``command`` brings about.

    Args:
        job_id: the job's name.
        stored: the job as it is; ``None``: there is none.
        command: what is asked.
        now: the present instant.
        place: the first free place in line.
        queue: what is set for the job's queue; ``None``: nothing.

    Raises:
        Rejected: the command is not lawful; nothing changes.
        LeaseLost: the worker does not hold the job any more.
        Conflict: a renewal would shorten the lease: the clock went back.
    """
    draft = Draft(job_id, stored, now, place, queue)
    if stored is None and not isinstance(command, c.Submit):
        raise draft.rejected(command, Reason.NOT_FOUND, f"there is no job {job_id}")
    if isinstance(command, c.WorkerCommand) and not holds(draft, command):
        return draft.decision()
    if isinstance(command, c.Abandon) and not still_news(draft, command):
        return draft.decision()
    if isinstance(command, c.Claim) and draft.lease_of(command) is not None:
        return draft.decision()
    if type(command) not in ACCEPTS[draft.status]:
        raise draft.unlawful(command)
    _obey(draft, command)
    return draft.decision()


def _obey(draft: Draft, command: c.Command) -> None:
    match command:
        case c.Submit():
            submit(draft, command)
        case c.SettleDependency():
            settle_dependency(draft, command)
        case c.Claim():
            claim(draft, command)
        case c.Renew():
            renew(draft, command)
        case c.Reconcile():
            reconcile(draft)
        case c.Cancel() | c.Quarantine() | c.Migrate() | c.Annotate() | c.Delete():
            _operate(draft, command)
        case _:
            _report(draft, command)


def _operate(
    draft: Draft, command: c.Cancel | c.Quarantine | c.Migrate | c.Annotate | c.Delete
) -> None:
    match command:
        case c.Cancel():
            cancel(draft, command)
        case c.Quarantine():
            quarantine(draft, command)
        case c.Migrate():
            migrate(draft, command)
        case c.Annotate():
            annotate(draft, command)
        case c.Delete():
            delete(draft, command)
        case _:
            assert_never(command)


def _report(draft: Draft, command: c.Result | c.StartPhase | c.StartUndo | c.Abandon) -> None:
    match command:
        case c.StartPhase():
            start_phase(draft, command)
        case c.CompletePhase():
            complete_phase(draft, command)
        case c.Fail():
            fail(draft, command)
        case c.Release():
            release(draft, command)
        case c.ConfirmCancel():
            confirm_cancel(draft, command)
        case c.StartUndo():
            start_undo(draft, command)
        case c.CompleteUndo():
            complete_undo(draft, command)
        case c.FailUndo():
            fail_undo(draft, command)
        case c.Abandon():
            abandon(draft, command)
        case _:
            assert_never(command)
