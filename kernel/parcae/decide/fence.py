"""Whether a worker still holds the job it speaks of; what becomes of its word if not (rule 1)."""

from __future__ import annotations

from attrs import evolve as replace

from parcae import commands as c
from parcae import events as e
from parcae.commands import Report, ReportKind
from parcae.decide.draft import Draft
from parcae.errors import LeaseLost, Reason
from parcae.state import PhaseStatus, UndoStatus
from parcae.values import MAX_BLOB, Blob, Status


def holds(draft: Draft, command: c.WorkerCommand) -> bool:
    """Whether ``command`` comes from the present holder.

    ``False`` for a result that was taken before (the first answer is given again) and for one that
    comes too late (it is kept as evidence, once a token).

    Raises:
        LeaseLost: the token is stale, and there is nothing to keep.
        Rejected: the token was never given, or the result differs from the one on record.
    """
    job = draft.job
    if not 1 <= command.token <= job.token:
        message = f"token {command.token} was never given, the last is {job.token}"
        raise draft.rejected(command, Reason.UNKNOWN_TOKEN, message)
    if isinstance(command, c.Result) and _repeated(draft, command):
        return False
    lease = job.lease
    if lease is not None and lease.token == command.token:
        return True
    if not isinstance(command, c.Result) or command.token in job.late:
        raise stale(command)
    draft.add(
        e.LateResultRecorded(
            at=draft.now,
            token=command.token,
            kind=c.report(command).kind,
            phase=getattr(command, "phase", None),
            error=getattr(command, "error", None),
            result=_evidence(command),
        )
    )
    return False


def _evidence(command: c.Result) -> Blob | None:
    """A late result lies under a name of its own, so that it can replace none."""
    result: Blob | None = getattr(command, "result", None)
    if result is None or result.size > MAX_BLOB:
        return None
    return replace(result, name=f"late/{command.token}")


def stale(command: c.WorkerCommand) -> LeaseLost:
    """The refusal of a command whose token is not current."""
    name = type(command).__name__
    return LeaseLost(Reason.STALE_TOKEN, f"{name} refused: token {command.token} is not current")


def _repeated(draft: Draft, command: c.Result) -> bool:
    given = c.report(command)
    for taken, status in _taken(draft, command):
        if (taken.kind, taken.phase) != (given.kind, given.phase):
            continue
        if taken.digest != given.digest:
            message = f"{given.kind} of token {given.token} was taken with another result"
            raise draft.rejected(command, Reason.ANOTHER_RESULT, message)
        draft.first_answer = status
        return True
    return False


def _taken(draft: Draft, command: c.Result) -> list[tuple[Report, Status]]:
    """What was taken under this token: its last result, and each phase it completed or undid."""
    job, token = draft.job, command.token
    receipt = job.receipt(token)
    taken = [(receipt.report, receipt.status)] if receipt else []
    for spec, phase in zip(job.spec.phases, job.phases, strict=True):
        if phase.token == token and phase.status is PhaseStatus.COMPLETED:
            digest = phase.result.digest if phase.result else None
            kind = ReportKind.PHASE_COMPLETED
            known = Report(kind=kind, token=token, phase=spec.name, digest=digest)
            taken.append((known, Status.RUNNING))
    for undo in job.undos:
        if undo.token == token and undo.status is UndoStatus.DONE:
            known = Report(kind=ReportKind.UNDO_COMPLETED, token=token, phase=undo.phase)
            taken.append((known, Status.COMPENSATING))
    return taken
