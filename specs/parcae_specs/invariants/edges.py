"""Guarantees over one step: a job, one command, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import evolve as replace

from parcae import commands as c
from parcae import events as e
from parcae.assess import stray_liveness
from parcae.errors import Reason, Rejected, Superseded
from parcae.lifecycle import ACCEPTS
from parcae.state import Ended, Job, Running, Stored
from parcae.values import Instant, Place, Status, Version
from parcae_specs.story import Edge, put

Check = Callable[[Edge], str | None]
PERMISSIONS = (c.Claim, c.Renew, c.StartPhase, c.StartUndo)


def token_grows(edge: Edge) -> str | None:
    """S3: a job's token never goes back, and grows by claims alone."""
    if edge.before is None or edge.after is None:
        return None
    before, after = edge.before.job.token, edge.after.job.token
    claimed = sum(isinstance(event, e.Started | e.CompensationClaimed) for event in edge.events)
    return None if after == before + claimed else f"token {before} became {after}"


def fenced(edge: Edge) -> str | None:
    """S4: a command with a stale token changes nothing but evidence."""
    command, before = edge.command, edge.before
    if before is None or not isinstance(command, c.WorkerCommand) or _holds(before, command):
        return None
    if edge.decision is None:
        return None
    if any(not isinstance(event, e.LateResultRecorded) for event in edge.events):
        return f"{type(command).__name__} under stale token {command.token}: {edge.events}"
    assert edge.after is not None
    job = edge.after.job
    bare = replace(job, version=before.job.version, late=before.job.late)
    same = bare == before.job and edge.after.liveness == before.liveness
    return None if same else f"{type(command).__name__} under a stale token changed the job"


def _holds(before: Stored, command: c.WorkerCommand) -> bool:
    lease = before.job.lease
    return lease is not None and lease.token == command.token


def liveness_fits(edge: Edge) -> str | None:
    """S5: the liveness beside a job belongs to its lease."""
    return None if edge.after is None else stray_liveness(edge.after.job, edge.after.liveness)


def versions_count(edge: Edge) -> str | None:
    """S5: a job's version is the number of its events."""
    if edge.after is None:
        return None
    before = edge.before.job.version if edge.before else 0
    after = edge.after.job.version
    return None if after == before + len(edge.events) else f"version {before} became {after}"


def reconciled_once(edge: Edge) -> str | None:
    """S20: reconciled twice is reconciled once; fresh and terminal jobs are untouched."""
    if not isinstance(edge.command, c.Reconcile) or edge.decision is None or edge.before is None:
        return None
    if edge.events and edge.before.job.status.is_terminal:
        return f"an ended job was reconciled: {edge.events}"
    again = put(edge.after, edge.command, edge.now, edge.place, edge.job_id)
    return f"reconciled again: {again.events}" if again.events else None


def expired_is_lost(edge: Edge) -> str | None:
    """S24: an expired lease permits nothing, reclaimed or not."""
    before = edge.before
    if before is None or before.job.lease is None or edge.decision is None:
        return None
    alive = before.liveness is not None and before.liveness.expires_at > edge.now
    if alive or not isinstance(edge.command, PERMISSIONS):
        return None
    return f"{type(edge.command).__name__} was granted under an expired lease"


def permitted_now(edge: Edge) -> str | None:
    """S25: a permission, repeated or not, is never more than is permitted now."""
    if edge.decision is None or not isinstance(edge.command, c.Claim | c.StartPhase):
        return None
    assert edge.before is not None
    state = edge.before.job.state
    if isinstance(state, Running) and state.cancel is not None:
        return f"{type(edge.command).__name__} was granted after a cancel was requested"
    late = edge.before.job.deadline
    if isinstance(edge.command, c.StartPhase) and late is not None and late <= edge.now:
        return "a phase was started past the deadline"
    return None


def refused_in_words(edge: Edge) -> str | None:
    """S28: a refusal names its reason, and what would be lawful."""
    refusal = edge.refusal
    if refusal is None:
        return None
    assert isinstance(refusal, Rejected | Superseded)
    if refusal.reason not in Reason or not str(refusal):
        return f"{refusal!r} has no reason"
    if isinstance(refusal, Rejected):
        status = edge.before.job.status if edge.before else None
        names = {command.__name__ for command in ACCEPTS[status]}
        said = (refusal.status, refusal.command, set(refusal.lawful))
        if said != (status, type(edge.command).__name__, names):
            return f"refused with {said}"
    return None


def same_again(edge: Edge) -> str | None:
    """S18, S26: asked again, the same question has the same answer; a refusal changed nothing."""
    again = put(edge.before, edge.command, edge.now, edge.place, edge.job_id)
    same = again.decision == edge.decision and repr(again.refusal) == repr(edge.refusal)
    return None if same else f"{type(edge.command).__name__} asked twice: {again} and {edge}"


def fence_is_recorded(edge: Edge) -> str | None:
    """S29: whoever fences off a lease that may be alive records until when."""
    before, command = edge.before, edge.command
    if before is None or before.job.lease is None or before.liveness is None or not edge.events:
        return None
    if isinstance(command, c.WorkerCommand) and _holds(before, command):
        return None
    expiry, lease = before.liveness.expires_at, before.job.lease
    after = edge.after.job.lease if edge.after else None
    gone = after is None or after.token != lease.token
    known = any(getattr(event, "fence", None) == expiry for event in edge.events)
    if gone and expiry > edge.now and not known:
        return f"token {lease.token} was fenced off before {expiry}, which no event says"
    return None


EDGE: Mapping[str, Check] = {
    "S3": token_grows,
    "S4": fenced,
    "S5 liveness": liveness_fits,
    "S5 version": versions_count,
    "S20": reconciled_once,
    "S24": expired_is_lost,
    "S25": permitted_now,
    "S26": same_again,
    "S28": refused_in_words,
    "S29": fence_is_recorded,
}


def repeated(edge: Edge, first: Status | None) -> str | None:
    """S25: a result that was accepted before gets its first answer, and adds no event."""
    if edge.decision is None:
        return f"{edge.command} was taken before, and is now refused: {edge.refusal}"
    if edge.events:
        return f"{edge.command} repeated added {edge.events}"
    told = edge.decision.status
    return None if told == first else f"{edge.command} was answered {first}, now {told}"


def when_does_not_matter(edge: Edge, instants: Sequence[Instant]) -> str | None:
    """S30: reconciled at each of ``instants`` or only at the last, a job comes out the same."""
    often = edge.after
    for instant in instants:
        often = put(often, c.Reconcile(), instant, edge.place, edge.job_id).after
    once = put(edge.after, c.Reconcile(), instants[-1], edge.place, edge.job_id).after
    ours, theirs = outcome(often), outcome(once)
    return None if ours == theirs else f"looked at often {ours}, once {theirs}"


def outcome(stored: Stored | None) -> Job | None:
    """A job without what only says when somebody looked: instants of ends, places, versions."""
    if stored is None:
        return None
    state, job = stored.job.state, stored.job
    timeless = replace(state, at=job.submitted_at) if isinstance(state, Ended) else state
    return replace(job, state=timeless, place=Place(0), version=Version(0))
