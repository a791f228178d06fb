"""One command put to one cell: through ``parcae.handle``, and past every guarantee."""

from __future__ import annotations

from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae import events as e
from parcae import handle as rules
from parcae.change import Change, View
from parcae.effects import Announce
from parcae.errors import Corrupt, Reason, Rejected, Superseded
from parcae.evolve import fold
from parcae.spec import Spec
from parcae.state import PhaseStatus, Stored
from parcae.values import Instant, JobId, Place, Status
from parcae_specs.explorer.cell import Cell, Ghost
from parcae_specs.explorer.clockwork import dues
from parcae_specs.explorer.rules import see
from parcae_specs.explorer.watch import Violation, Watch


@frozen(kw_only=True)
class Step:
    """What came of a command.

    Attributes:
        cell: the job and its observer after it.
        events: what happened.
        answer: what the caller was told; ``None``: refused.
        refusal: why it was refused.
        lost: it was refused because the lease is lost.
        broken: the guarantees that do not hold.
    """

    cell: Cell
    events: tuple[e.Event, ...] = ()
    answer: a.Answer | None = None
    refusal: Reason | None = None
    lost: bool = False
    broken: tuple[Violation, ...] = ()


def put(job_id: JobId, cell: Cell, command: c.Command, now: Instant, place: Place) -> Step:
    """Put ``command`` to the job at ``now``; ``place`` is the next free one in line."""
    jobs = {} if cell.stored is None else {job_id: cell.stored}
    view = View(now=now, place=place, seed=0, jobs=jobs)
    try:
        change, *rest = rules.obey(view, job_id, command)
    except (Rejected, Superseded) as refusal:
        return refused(cell, command, refusal)
    except Exception as error:  # noqa: BLE001 - whatever else it raises is the finding
        return raised(cell, error)
    assert isinstance(change, Change)
    assert not rest, "a job that nobody waits for owes nothing to others"
    return observe(cell, command, change, now, place)


def raised(cell: Cell, error: Exception) -> Step:
    """The kernel raised what is not a refusal: that is a fault, whatever it was.

    ``Corrupt`` says that ``decide`` gave an event that ``evolve`` does not know there (S2).
    """
    guarantee = "S2" if isinstance(error, Corrupt) else "S28"
    message = f"{type(error).__name__}: {error}"
    return Step(cell=cell, broken=(Violation(guarantee, message),))


def refused(cell: Cell, command: c.Command, refusal: Rejected | Superseded) -> Step:
    """Nothing happened; but a result that was accepted before may never be refused (S25)."""
    broken: tuple[Violation, ...] = ()
    if _taken(cell.ghost, command) is not None:
        message = f"{type(command).__name__} was accepted once and is refused now"
        broken = (Violation("S25", message),)
    lost = not isinstance(refusal, Rejected)
    return Step(cell=cell, refusal=refusal.reason, lost=lost, broken=broken)


def observe(cell: Cell, command: c.Command, change: Change, now: Instant, place: Place) -> Step:
    """What the observer makes of a change."""
    before = cell.stored
    spec = _spec(before, command)
    watch = Watch(cell.ghost, spec, before, command, now, place)
    for event in change.events:
        see(watch, event)
    _check_fold(watch, before, change)
    _check_fence(watch, before, command, change)
    _check_answer(watch, before, command, change)
    if change.job is not None:
        _check_state(watch, change)
    _check_told(watch, before, command, change)
    if isinstance(command, c.Reconcile):
        _check_reconciled(watch, before, change)
    _hold(watch, before, command, change)
    stored = None
    if change.job is not None:
        stored = Stored(job=change.job, liveness=change.liveness)
    ghost = Ghost(**watch.g) if stored is not None else Ghost()
    return Step(
        cell=Cell(stored=stored, ghost=ghost),
        events=change.events,
        answer=change.answer,
        broken=tuple(watch.found),
    )


def _spec(before: Stored | None, command: c.Command) -> Spec:
    if before is not None:
        return before.job.spec
    assert isinstance(command, c.Submit)
    return command.spec


def _taken(ghost: Ghost, command: c.Command) -> Status | None:
    if not isinstance(command, c.Result):
        return None
    for token, known, status in ghost.taken:
        if token == command.token and known == command:
            return status
    return None


def _check_fold(watch: Watch, before: Stored | None, change: Change) -> None:
    """S5, S16: the state is the fold of the events, and each event is a version."""
    job = before.job if before else None
    watch.require(fold(change.job_id, change.events, job) == change.job, "S5", "not the fold")
    version = job.version if job else 0
    if change.job is not None:
        grown = change.job.version == version + len(change.events)
        watch.require(grown and change.before == version, "S16", "versions do not count events")
    quiet = not change.events and change.liveness == (before.liveness if before else None)
    watch.require(change.idle is quiet, "S5", "idle says otherwise")


def _check_fence(watch: Watch, before: Stored | None, command: c.Command, change: Change) -> None:
    """S4: a token that is not current changes nothing but evidence."""
    if before is None or not isinstance(command, c.WorkerCommand):
        return
    lease = before.job.lease
    if lease is not None and lease.token == command.token:
        return
    evidence = all(isinstance(event, e.LateResultRecorded) for event in change.events)
    watch.require(evidence, "S4", f"{type(command).__name__} with a stale token took effect")
    same = change.liveness == before.liveness
    watch.require(same, "S4", f"{type(command).__name__} with a stale token moved the lease")


def _check_answer(watch: Watch, before: Stored | None, command: c.Command, change: Change) -> None:
    """S25: repeats get the first answer; a permission is never more than what is permitted now."""
    first = _taken(watch_ghost(watch), command)
    if first is not None:
        told = change.answer.status if isinstance(change.answer, a.Accepted) else None
        watch.require(not change.events, "S25", "a repeated result happened again")
        watch.require(told is first, "S25", f"a repeat was told {told}, the first time {first}")
    if isinstance(command, c.Renew):
        watch.permitted("a renewal")
        assert isinstance(change.answer, a.Renewed)
        held = watch.g["held_until"]
        back = held is not None and change.answer.expires_at < held
        watch.require(not back, "S3", "a renewal moved the expiry back")
    again = not change.events and isinstance(command, c.Claim | c.StartPhase | c.StartUndo)
    if again:
        undo = before is not None and before.job.status is Status.COMPENSATING
        watch.permitted("a repeated permission")
        watch.require(undo or not watch.g["asked"], "S25", "permitted again after a cancel")
    if again and not isinstance(command, c.Claim):
        watch.in_time("work went on", undo=isinstance(command, c.StartUndo))


def watch_ghost(watch: Watch) -> Ghost:
    """What the observer remembers so far."""
    return Ghost(**watch.g)


def _check_state(watch: Watch, change: Change) -> None:
    """S10, S19: the state contradicts neither itself nor what was counted."""
    job = change.job
    assert job is not None
    if job.status.is_terminal or job.status is Status.COMPENSATING:
        unfinished = {PhaseStatus.PENDING, PhaseStatus.RUNNING}
        marked = not any(phase.status in unfinished for phase in job.phases)
        watch.require(marked, "S10", f"{job.status} with a phase that is pending or running")
    else:
        watch.require(job.attempts == watch.g["burned"], "S19", "attempts are counted wrongly")
    if job.status is Status.COMPLETED:
        whole = all(phase.status is PhaseStatus.COMPLETED for phase in job.phases)
        watch.require(whole, "S10", "completed with a phase that is not")
    held = (job.lease is None) == (change.liveness is None)
    watch.require(held, "S6", "the lease and the liveness disagree about who holds a slot")


def _check_reconciled(watch: Watch, before: Stored | None, change: Change) -> None:
    """L3, S20: what is due is settled, and what is not is left alone."""
    if before is None or change.job is None:
        return
    expiry = before.liveness.expires_at if before.liveness else None
    was_due = any(at <= watch.now for at in dues(before.job, expiry))
    watch.require(was_due or not change.events, "S20", "reconciled though nothing was due")
    expiry = change.liveness.expires_at if change.liveness else None
    left = any(at <= watch.now for at in dues(change.job, expiry))
    watch.require(not left, "L3", "something that is due was left alone by the reconciler")


def _check_told(watch: Watch, before: Stored | None, command: c.Command, change: Change) -> None:
    """S9, L2: a cancel that was answered takes effect; an end is announced to whoever waits."""
    job = change.job
    if before is None or job is None:
        return
    waiting = before.job.status in (Status.PENDING, Status.SCHEDULED)
    if isinstance(command, c.Cancel) and waiting:
        stopped = job.status.is_terminal or job.status is Status.COMPENSATING
        watch.require(stopped, "S9", "a cancel was answered, and the work goes on")
    if job.status.is_terminal and not before.job.status.is_terminal:
        told = any(isinstance(effect, Announce) for effect in change.effects)
        watch.require(told, "L2", "a job ended, and nobody was told")


def _hold(watch: Watch, before: Stored | None, command: c.Command, change: Change) -> None:
    """Remember until when the holder, or one that was fenced off, could be alive."""
    old = before.job.lease if before else None
    new = change.job.lease if change.job else None
    if old is not None and (new is None or new.token != old.token):
        given_back = isinstance(command, c.WorkerCommand) and command.token == old.token
        held, alive = watch.g["held_until"], watch.g["alive_until"]
        if not given_back and held is not None and held > watch.now:
            watch.g["alive_until"] = held if alive is None else max(alive, held)
        watch.g["held_until"] = None
    answer = change.answer
    if isinstance(answer, a.Granted | a.Renewed):
        watch.g["held_until"] = answer.expires_at
    if isinstance(answer, a.Accepted) and change.events and isinstance(command, c.Result):
        entry = (int(command.token), command, answer.status)
        watch.g["taken"] = (*watch.g["taken"], entry)
