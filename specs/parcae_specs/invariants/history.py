"""Guarantees over one job's whole history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from parcae import events as e
from parcae.assess import difference
from parcae.errors import Corrupt
from parcae.events import Event
from parcae.evolve import evolve, fold
from parcae.lifecycle import TRANSITIONS
from parcae.state import Job
from parcae.values import JobId
from parcae_specs.invariants.facts import AUDIT, ENDS, facts

History = Sequence[Event]
Check = Callable[[JobId, History, Job | None], str | None]
CLAIMS = (e.Started, e.CompensationClaimed)


def one_end(_: JobId, history: History, __: Job | None) -> str | None:
    """S1: at most one terminal event; after it only audit events."""
    ends = [index for index, event in enumerate(history) if type(event) in ENDS]
    if len(ends) > 1:
        return f"ended {len(ends)} times: {[type(history[i]).__name__ for i in ends]}"
    after = history[ends[0] + 1 :] if ends else ()
    worked = [type(event).__name__ for event in after if not isinstance(event, AUDIT)]
    return f"{worked} after the end" if worked else None


def legal_moves(job_id: JobId, history: History, _: Job | None) -> str | None:
    """S2: every recorded (status, event) pair is in the table."""
    job: Job | None = None
    for event in history:
        status = job.status if job else None
        if type(event) not in TRANSITIONS[status]:
            return f"{type(event).__name__} in {status}"
        job = evolve(job_id, job, event)
    return None


def one_holder(_: JobId, history: History, __: Job | None) -> str | None:
    """S3: at most one lease is current, and tokens strictly increase."""
    last, held = 0, False
    for event in history:
        if isinstance(event, CLAIMS):
            if held:
                return f"token {event.token} given while {last} held the job"
            if event.token <= last:
                return f"token {event.token} after {last}"
            last, held = event.token, True
        elif type(event) in ENDS or isinstance(event, GIVES_UP):
            held = False
        elif isinstance(event, WORKS) and (not held or event.token != last):
            return f"{type(event).__name__} under token {event.token}, but {last} was the last"
    return None


GIVES_UP = (
    e.RetryScheduled,
    e.Released,
    e.CompensationBegan,
    e.UndoRetryScheduled,
    e.CompensationReleased,
    e.CompensationLost,
)
WORKS = (e.PhaseStarted, e.PhaseCompleted, e.UndoStarted, e.UndoCompleted)


def is_folded(job_id: JobId, history: History, job: Job | None) -> str | None:
    """S5: the stored state is the fold of the stored events."""
    try:
        return difference(fold(job_id, history), job)
    except Corrupt as corrupt:
        return str(corrupt)


def cancel_holds(_: JobId, history: History, __: Job | None) -> str | None:
    """S9: at most one cancelled; after a request no phase starts, no retry, no release."""
    if sum(isinstance(event, e.Cancelled) for event in history) > 1:
        return "cancelled twice"
    asked = False
    for event in history:
        asked = asked or isinstance(event, e.CancelRequested)
        if asked and isinstance(event, e.Started | e.PhaseStarted | e.RetryScheduled | e.Released):
            return f"{type(event).__name__} after a cancel was requested"
    return None


def phases_kept(_: JobId, history: History, __: Job | None) -> str | None:
    """S11: a phase that was completed, or carried over as completed, is never run again."""
    for index, event in enumerate(history):
        known = facts(history[:index])
        if isinstance(event, e.PhaseStarted) and known and event.phase in known.completed:
            return f"phase {event.phase} started again"
    return None


def undone_in_order(_: JobId, history: History, __: Job | None) -> str | None:
    """S12: only what happened, or may have, is undone, once to success, in reverse order."""
    for index, event in enumerate(history):
        if not isinstance(event, e.UndoStarted | e.UndoCompleted):
            continue
        known = facts(history[:index])
        needed = known.needs_undo if known else []
        if not needed or event.phase != needed[0]:
            return f"{type(event).__name__} of {event.phase}, but {needed} are to be undone"
    return None


def nothing_owed(_: JobId, history: History, __: Job | None) -> str | None:
    """S13: an end that implies that nothing is owed has nothing owed; else it says what is."""
    for index, event in enumerate(history):
        known = facts(history[: index + 1])
        if type(event) not in ENDS or known is None or isinstance(event, e.Completed):
            continue
        said = [one.phase for one in event.owed] if isinstance(event, e.Quarantined) else []
        if known.needs_undo != said:
            return f"{type(event).__name__} says {said} are owed, but {known.needs_undo} are"
    return None


def attempts_bounded(_: JobId, history: History, job: Job | None) -> str | None:
    """S19: no more attempts burned than the policy allows; by a shutdown only past its bound."""
    known = facts(history)
    if known is None:
        return None
    policy, burned, given_back = known.spec.retry, 0, 0
    for event in history:
        if isinstance(event, e.Started) and burned >= policy.max_attempts:
            return f"started after {burned} of {policy.max_attempts} attempts"
        if isinstance(event, e.Released) and event.burned != (
            event.voluntary and given_back >= policy.max_releases
        ):
            return f"release {given_back + 1} burned={event.burned}"
        given_back += isinstance(event, e.Released) and event.voluntary
        burned += isinstance(event, e.RetryScheduled) or _burns(event)
    if job is not None and job.attempts != burned:
        return f"{burned} attempts burned, {job.attempts} counted"
    return None


def _burns(event: Event) -> bool:
    if isinstance(event, e.Released):
        return event.burned
    return getattr(event, "burned_by", None) is not None


def no_overlap(_: JobId, history: History, __: Job | None) -> str | None:
    """S29: nothing is claimed before a lease that was fenced off has expired, unless forced.

    Once it has expired by the clock of a claim or an end it has for good, even if that goes back.
    """
    fence, forced = None, False
    for event in history:
        early = isinstance(event, CLAIMS) and fence is not None and event.at < fence
        if early and not forced:
            return f"{type(event).__name__} at {event.at}, before the fence at {fence}"
        fence, forced = _fence_after(event, fence, forced)
    return None


def outstanding(history: History) -> datetime | None:
    """The latest expiry of a fenced-off lease that no claim has waited for yet (S29)."""
    fence, forced = None, False
    for event in history:
        fence, forced = _fence_after(event, fence, forced)
    return fence


def _fence_after(
    event: Event, fence: datetime | None, forced: bool
) -> tuple[datetime | None, bool]:
    moves = isinstance(event, (*CLAIMS, *GIVES_UP)) or type(event) in ENDS
    if moves and fence is not None and event.at >= fence:
        fence, forced = None, False
    forced = forced or getattr(event, "overlap", False)
    if isinstance(event, e.CancelRequested):
        forced = forced or event.request.force
    found: datetime | None = getattr(event, "fence", None)
    later = max((one for one in (fence, found) if one is not None), default=None)
    return later, forced


HISTORY: Mapping[str, Check] = {
    "S1": one_end,
    "S2": legal_moves,
    "S3": one_holder,
    "S5": is_folded,
    "S9": cancel_holds,
    "S11": phases_kept,
    "S12": undone_in_order,
    "S13": nothing_owed,
    "S19": attempts_bounded,
    "S29": no_overlap,
}
