"""Command + view → ``Change``: everything a commit has to hold, decided in one pure call.

The functions that take a whole :class:`View` are the *rules* that a store runs in its
transactions. A rule may run more than once; only the run whose result is stored counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve as replace
from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae.admission import Room, choose, due, offer
from parcae.answering import cancel_answer
from parcae.change import Change, Revision, View
from parcae.effects import Offer
from parcae.errors import LeaseLost, ParcaeError, Reason, Rejected
from parcae.holds import held
from parcae.ledger import Ledger, kept_effects, unchanged
from parcae.saga import remember
from parcae.state import Job, Stored
from parcae.timing import stale_at
from parcae.values import JobId


def handle(view: View, job: JobId, command: c.Command, data: bytes | None = None) -> Change:
    """What ``command`` makes of one job of the view, without what that owes to others.

    Args:
        view: what the store loaded.
        job: the job's name.
        command: what is asked.
        data: the bytes of the result that the command reports.

    Raises:
        Rejected: the command is not lawful; nothing changes.
        LeaseLost: the worker does not hold the job any more.
        Conflict: a renewal would shorten the lease.
    """
    return _obeyed(Ledger(view), job, command, data)


def obey(
    view: View, job: JobId, command: c.Command, data: bytes | None = None
) -> Sequence[Change | Revision]:
    """Rule: like :func:`handle`, and what must happen in the same commit: the job's change first.

    Raises:
        Rejected: the command is not lawful, or others still need what is to be deleted.
        LeaseLost: the worker does not hold the job any more.
        Conflict: a renewal would shorten the lease.
    """
    if isinstance(command, c.Delete):
        _refuse_if_needed(view, job)
    ledger = Ledger(view)
    ledger.enter(_obeyed(ledger, job, command, data))
    return ledger.settle()


def _refuse_if_needed(view: View, job: JobId) -> None:
    """Those who wait for a job may want its result; a group may have to undo what it did.

    A legal hold is respected wherever its key is in the view.
    """
    stored = view.jobs.get(job)
    membership = stored.job.spec.group if stored else None
    group = view.groups.get(membership.group_id) if membership else None
    on_hold = held(view.keys, job, view.now)
    if on_hold is not None:
        needs = f"it is under a legal hold ({on_hold.fingerprint})"
    elif job in view.needed:
        needs = "a job that depends on it has not ended"
    elif group is not None and group.status is None:
        needs = f"{group.id} has not ended"
    else:
        return
    status = stored.job.status if stored else None
    raise Rejected(Reason.NEEDED, f"job {job} is kept: {needs}", status=status, command="Delete")


def _obeyed(ledger: Ledger, job: JobId, command: c.Command, data: bytes | None) -> Change:
    stored = ledger.find(job)
    if isinstance(command, c.Cancel) and stored is not None and stored.job.status.is_terminal:
        return unchanged(stored, cancel_answer(stored.job, a.CancelOutcome.ALREADY_ENDED))
    return ledger.obey(job, command, data)


def claim(
    view: View,
    command: c.Claim,
    *,
    kinds: frozenset[str],
    queues: frozenset[str] | None,
    limit: int,
    without: frozenset[JobId] = frozenset(),
) -> Sequence[Change]:
    """Rule: grant up to ``limit`` jobs; to a repeated request, what it was granted before.

    Those that the claimer is to be left ``without`` it does not serve.

    No lane gets beyond its bounds (S6), and none is served out of its order (S7).
    """
    again = [stored for stored in view.jobs.values() if _granted_to(stored.job, command)]
    if again:
        return tuple(_permitted(view, again, command))
    ledger, room = Ledger(view), Room(view.now, view.queues, view.held, view.keys)
    offered = (one for one in _offered(view, kinds, queues) if one[0] not in without)
    for name, found in choose(offered, room, view.queues, limit):
        keys = () if found.undo else room.spent(found.lane, name)
        ledger.enter(ledger.obey(name, command, keys=keys))
    return tuple(one for one in ledger.changes if isinstance(one, Change))


def claim_named(view: View, job: JobId, command: c.Claim) -> Sequence[Change]:
    """Rule: grant this very job, whose turn is chosen by a queue of the host's.

    The asker serves this job alone, so nobody is overtaken whom it would take (S7); the bounds of
    its queue, a pause and its own times hold as for everybody (S6).

    Raises:
        Rejected: it may not start now; the reason says why.
        LeaseLost: it was granted to this very request, and the lease has expired.
    """
    ledger = Ledger(view)
    stored = ledger.find(job)
    if stored is None or _granted_to(stored.job, command):
        return (ledger.obey(job, command),)
    lane, found = (
        stored.job.spec.lane,
        offer(stored.job, view.queues.get(stored.job.spec.lane.queue)),
    )
    if found is None:
        return (ledger.obey(job, command),)
    room = Room(view.now, view.queues, view.held, view.keys)
    change = ledger.obey(job, command)
    if not room.left(lane, undo=found.undo):
        raise _no_room(stored, view)
    room.take(lane, undo=found.undo)
    keys = () if found.undo else room.spent(lane, job)
    return (replace(change, keys=(*change.keys, *keys)),)


def _no_room(stored: Stored, view: View) -> Rejected:
    name = stored.job.spec.lane.queue
    paused = view.queues[name].paused
    why = f"queue {name!r} is paused" if paused else f"queue {name!r} lets no more start now"
    reason = Reason.PAUSED if paused else Reason.FULL
    message = f"Claim refused for job {stored.job.id}: {why}"
    return Rejected(reason, message, status=stored.job.status, command="Claim")


def _offered(
    view: View, kinds: frozenset[str], queues: frozenset[str] | None
) -> Iterable[tuple[JobId, Offer]]:
    for name, stored in view.jobs.items():
        lane = stored.job.spec.lane
        queue = view.queues.get(lane.queue)
        found = offer(stored.job, queue)
        served = stored.job.spec.kind in kinds and (queues is None or lane.queue in queues)
        if found is not None and served and due(stored.job, view.now, queue):
            yield name, found


def _granted_to(job: Job, command: c.Claim) -> bool:
    lease = job.lease
    held = None if lease is None else (lease.request, lease.worker)
    return held == (command.request, command.worker)


def _permitted(view: View, again: Sequence[Stored], command: c.Claim) -> Iterable[Change]:
    """A repeated permission is never more than what is permitted now."""
    for stored in again:
        try:
            yield handle(view, stored.job.id, command)
        except (LeaseLost, Rejected):
            continue


def reconcile(view: View) -> Sequence[Change | Revision]:
    """Rule: settle whatever is due among the jobs of the view, and who still waits for them."""
    ledger = Ledger(view)
    waiting = {child for children in view.dependents.values() for child in children}
    for name in view.jobs:
        if name in waiting:
            continue
        stored = ledger.find(name)
        assert stored is not None
        change = _obeyed(ledger, name, c.Reconcile(), None)
        if not change.idle:
            ledger.enter(change)
        elif stored.job.status.is_terminal:
            _settle_the_rest(ledger, stored)
        else:
            _look_again(ledger, stored)
    return ledger.settle()


def _settle_the_rest(ledger: Ledger, stored: Stored) -> None:
    """It ended before, and more waited for it than one commit should settle."""
    name, now = stored.job.id, ledger.view.now
    ledger.ended(name, stored.job.status)
    left = remember((), now) if name in ledger.view.partial else ()
    ledger.enter(replace(unchanged(stored, _nothing(stored)), idle=False, effects=left))


def _look_again(ledger: Ledger, stored: Stored) -> None:
    """Its patience rests, or has rested, while its queue is or was paused."""
    queue, impatient = ledger.view.queues.get(stored.job.spec.lane.queue), stale_at(stored.job)
    if queue is None or impatient is None or not (queue.paused or queue.resumed_at):
        return
    effects = kept_effects(ledger.view, stored)
    ledger.enter(replace(unchanged(stored, _nothing(stored)), idle=False, effects=effects))


def _nothing(stored: Stored) -> a.Answer:
    return a.Accepted(job_id=stored.job.id, status=stored.job.status)


@frozen(kw_only=True)
class Held:
    """One lease that a worker wants to keep."""

    job_id: JobId
    command: c.Renew


def renew(
    view: View, held: Sequence[Held]
) -> tuple[Sequence[Change], Sequence[a.Renewed | ParcaeError]]:
    """Rule: renew many leases at once; each has an answer of its own, in the order of ``held``."""
    changes: list[Change] = []
    answers: list[a.Renewed | ParcaeError] = []
    for one in held:
        try:
            change = handle(view, one.job_id, one.command)
        except ParcaeError as refusal:
            answers.append(refusal)
            continue
        changes.append(change)
        assert isinstance(change.answer, a.Renewed)
        answers.append(change.answer)
    return tuple(changes), tuple(answers)
