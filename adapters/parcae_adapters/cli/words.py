"""Sentences about one job as it is now. What happened before, the kernel tells by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parcae import CancelAnswer, CancelOutcome, Job
from parcae import events as e
from parcae.assess import tell
from parcae.events import Cancelled, Compensated, Completed, Event, Failed, Quarantined
from parcae.phrases import ago, span
from parcae.ports import Recorded
from parcae.state import Compensating, Ended, Lease, Liveness, Pending, Running, Scheduled, Stored
from parcae.timing import expired
from parcae.values import Instant
from parcae_adapters.records.jobs import in_work

LINED = (e.Scheduled, e.RetryScheduled, e.Released)
LAST = (Cancelled, Compensated, Completed, Failed, Quarantined)


def sentence(stored: Stored, history: Sequence[Recorded[Event]], now: Instant) -> str:
    """What is the matter with a job, and what it waits for."""
    job = stored.job
    match job.state:
        case Pending(unsettled=parents):
            return f"It waits for {len(parents)} jobs to end: {', '.join(parents)}."
        case Scheduled(ready_at=at) if at > now:
            return f"It waits for its time, in {span(at - now)}.{_again(job)}"
        case Scheduled(since=due):
            # After a lost lease it is due from its expiry on: nobody waited until it was found.
            lined = (one.event.at for one in reversed(history) if isinstance(one.event, LINED))
            waited = span(now - max(due, next(lined, due)))
            kind, queue = job.spec.kind, job.spec.lane.queue
            worker = f"a worker that runs {kind} from queue {queue}"
            starter = "the host's own queue to start it" if job.spec.external else worker
            return f"It has waited {waited} for {starter}.{_again(job)}"
        case Running() as state:
            asked = " It was asked to stop." * (state.cancel is not None)
            between = job.running_phase is None
            work = "Between two phases" if between else f"At work on phase {in_work(job)}"
            return f"{work}. {held(state.lease, stored.liveness, now)}{asked}"
        case Compensating() as state:
            undoing = f"It will not complete ({state.cause}); the undo of {state.next.phase} is "
            if state.lease is None:
                return f"{undoing}next, and waits for a worker."
            return f"{undoing}in work. {held(state.lease, stored.liveness, now)}"
        case Ended() as state:
            return _ending(state, history)


def held(lease: Lease, liveness: Liveness | None, now: Instant) -> str:
    """Who holds a job, and whether they are still heard of."""
    expires = liveness.expires_at if liveness else lease.expires_at
    if expired(liveness, now):
        return (
            f"Worker {lease.worker} was to renew its lease {span(now - expires)} ago and did not: "
            "any living worker will reconcile it."
        )
    heard = ago(liveness.renewed_at if liveness else lease.since, now)
    return (
        f"Worker {lease.worker} has held it for {span(now - lease.since)}, was heard of "
        f"{heard}, and is trusted for another {span(expires - now)}."
    )


def _ending(state: Ended, history: Sequence[Recorded[Event]]) -> str:
    last = next((one.event for one in reversed(history) if isinstance(one.event, LAST)), None)
    told = f"It ended {state.status}." if last is None else tell(last)
    return f"{told} The cause: {state.cause}." if isinstance(last, Compensated) else told


def _again(job: Job) -> str:
    if not job.attempts:
        return ""
    why = f" Last error: {job.error.type}: {job.error.message}" if job.error else ""
    return f" Attempt {job.attempt} of {job.spec.retry.max_attempts}.{why}"


CANCEL: Mapping[CancelOutcome, str] = {
    CancelOutcome.CANCELLED: "It is cancelled: nothing of it will run.",
    CancelOutcome.CANCELLING: "It was asked to stop; its handler has its grace to do so.",
    CancelOutcome.COMPENSATING: "It is being undone.",
    CancelOutcome.ALREADY_ENDED: "It had already ended, and stays as it is.",
}


def cancelled(answer: CancelAnswer) -> str:
    """The truth about a request for a cancel."""
    why = f" ({answer.cause})" if answer.cause else ""
    return f"{CANCEL[answer.outcome]} Its status is {answer.status}{why}."
