"""Groups at work: many jobs in one commit, what one bad end means for the rest, and one end."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve as replace
from attrs import frozen

from parcae import commands as c
from parcae.admit import (
    Idempotency,
    admit,
    carry_key,
    fingerprint,
    key_rows,
    seen,
    take_up,
)
from parcae.answers import GroupAdmitted
from parcae.change import Change, KeyRow, Revision, View
from parcae.errors import Reason, Rejected
from parcae.groups import (
    Group,
    GroupOpened,
    Stopping,
    Undoing,
    cancel,
    cancelled_up_to,
    due_at,
    group_id,
    member_id,
    opened,
    undo_next,
    window,
)
from parcae.ledger import Ledger
from parcae.saga import done, resubmission
from parcae.spec import Dependency, DependencyPolicy, Membership, RetryMode, Spec
from parcae.state import Job
from parcae.values import GroupId, JobId, StreamId, job_id, mix


@frozen(kw_only=True)
class Edge:
    """One member waits for another.

    Attributes:
        index: the other one, which stands before it.
        policy: what follows if that one does not complete.
        name: under which its result is found.
    """

    index: int
    policy: DependencyPolicy = DependencyPolicy.CANCEL
    name: str = ""


@frozen(kw_only=True)
class Member:
    """One job of a group to be."""

    spec: Spec
    payload: bytes
    after: tuple[Edge, ...] = ()


@frozen(kw_only=True)
class Plan:
    """A group to be.

    Attributes:
        members: parents before those who wait for them.
        callback: a job that runs once all of them have ended, however; no member itself.
        compensate: one bad end stops the rest, and what completed members did is undone.
        label: what its submitter calls it.
    """

    members: tuple[Member, ...]
    callback: Member | None = None
    compensate: bool = False
    label: str = ""


def submit_group(
    view: View, plan: Plan, idempotency: Idempotency | None = None
) -> tuple[Sequence[Change | Revision], GroupAdmitted]:
    """Rule: admit all members of a group, and its callback, or none of them.

    Raises:
        Rejected: too many members; a payload too large; a member that waits for a later one, or
            has a uniqueness constraint; or the key came with another group before.
    """
    _refuse_unique(plan)
    body = _body(plan)
    known = _known(view, idempotency, body)
    if known is not None:
        return (), known
    name = group_id(view.now, view.seed)
    ids = tuple(member_id(view.now, view.seed, index) for index in range(len(plan.members)))
    ledger = Ledger(view)
    event = GroupOpened(
        at=view.now,
        seed=view.seed,
        size=len(ids),
        compensate=plan.compensate,
        label=plan.label,
    )
    events = opened(event, name)
    for index, member in enumerate(plan.members):
        spec = _member(member, index, name, ids, view.seed)
        admit(ledger, ids[index], spec, member.payload)
    ledger.group_events(name, events, key_rows(view, idempotency, body, JobId(name)))
    if plan.callback is not None:
        _call_back(ledger, plan.callback, name)
    return ledger.settle(), GroupAdmitted(group_id=name, jobs=ids)


def _refuse_unique(plan: Plan) -> None:
    """Another job cannot stand for a member: all of them are admitted, or none."""
    asked = plan.members if plan.callback is None else (*plan.members, plan.callback)
    kind = next((one.spec.kind for one in asked if one.spec.unique is not None), None)
    if kind is not None:
        message = (
            f"{kind!r} has a uniqueness constraint: in a group all jobs are admitted, or none, so "
            "no other can stand for it: submit it by itself, or use a definition without one"
        )
        raise Rejected(Reason.BAD_INPUT, message, command="SubmitGroup")


def _member(member: Member, index: int, group: GroupId, ids: tuple[JobId, ...], seed: int) -> Spec:
    late = next((edge.index for edge in member.after if edge.index >= index), None)
    if late is not None:
        message = f"member {index} waits for member {late}, which does not stand before it"
        raise Rejected(Reason.CYCLE, message, command="SubmitGroup")
    inside = tuple(
        Dependency(parent=ids[edge.index], policy=edge.policy, name=edge.name)
        for edge in member.after
    )
    return replace(
        member.spec,
        dependencies=(*member.spec.dependencies, *inside),
        group=Membership(group_id=group, index=index),
        seed=mix("seed", seed, index),
    )


def _call_back(ledger: Ledger, callback: Member, group: GroupId) -> None:
    view = ledger.view
    # Where all members have ended at their admission, so has the group: it ends but once.
    ledger.settle()
    always = Dependency(parent=JobId(group), policy=DependencyPolicy.PROCEED)
    spec = replace(callback.spec, dependencies=(always,), seed=mix("seed", "callback", view.seed))
    fresh = job_id(view.now, mix("callback", view.seed))
    admit(ledger, fresh, spec, callback.payload)


def _body(plan: Plan) -> str:
    asked = plan.members if plan.callback is None else (*plan.members, plan.callback)
    parts = ((fingerprint(one.spec), one.after) for one in asked)
    return f"{mix('group', plan.compensate, plan.callback is None, *parts):032x}"


def _known(view: View, idempotency: Idempotency | None, body: str) -> GroupAdmitted | None:
    row = seen(view, idempotency, body, "SubmitGroup")
    if row is None:
        return None
    group = view.groups.get(GroupId(row.job_id))
    ids = () if group is None else member_ids(group)
    return GroupAdmitted(group_id=GroupId(row.job_id), jobs=ids, duplicate=True)


def member_ids(group: Group) -> tuple[JobId, ...]:
    """The names of all members, in their order."""
    return tuple(member_id(group.opened_at, group.seed, index) for index in range(group.size))


def cancel_group(
    view: View, name: GroupId, by: str = "", reason: str = ""
) -> Sequence[Change | Revision]:
    """Rule: stop all members of a group; of one that has ended, nothing.

    Raises:
        Rejected: there is no such group.
    """
    group = view.groups.get(name)
    if group is None:
        raise Rejected(Reason.NOT_FOUND, f"there is no group {name}", command="CancelGroup")
    ledger = Ledger(view)
    ledger.group_events(name, cancel(group, view.now, by, reason))
    return ledger.settle()


def advance(view: View) -> Sequence[Change | Revision]:
    """Rule: let the group of the view go on by itself, by one window of its members."""
    ledger = Ledger(view)
    # Other groups are there too: those of the jobs that wait for members of this one.
    group = next(iter(view.groups.values()), None)
    if group is None:
        return ()
    due = due_at(group)
    if group.status is not None:
        _settle_the_rest(ledger, group)
    elif due is not None and isinstance(group.state, Stopping):
        _stop(ledger, group)
    elif due is not None and isinstance(group.state, Undoing):
        _undo(ledger, group)
    return ledger.settle()


def _settle_the_rest(ledger: Ledger, group: Group) -> None:
    """It ended before, and more waited for it than one commit should settle."""
    name, view = group.id, ledger.view
    assert group.status is not None
    ledger.ended(name, group.status)
    remind = view.now if name in view.partial else None
    stream = StreamId(name)
    ledger.revise(
        Revision(stream=stream, before=group.version, events=(), after=group, remind=remind)
    )


def _stop(ledger: Ledger, group: Group) -> None:
    """Cancel the members in the window; the ends of those that end count at once."""
    view, sight = ledger.view, window(group)
    assert sight is not None
    by, why = group.id, f"member {group.trigger} ended badly" if group.trigger else "cancelled"
    for name in view.members:
        stored = ledger.find(name)
        if stored is not None and not stored.job.status.is_terminal:
            ledger.enter(ledger.obey(name, c.Cancel(by=by, reason=why)))
    ledger.settle()
    current = ledger.group(group.id)
    if current is not None:
        cursor = min(sight.first + len(view.members), group.size) if view.members else group.size
        ledger.group_events(group.id, cancelled_up_to(current, cursor, view.now))


def _undo(ledger: Ledger, group: Group) -> None:
    """Find the last member that did something which can be undone, and have that undone."""
    view, sight = ledger.view, window(group)
    assert sight is not None
    first = sight.first
    for name in view.members:
        stored = ledger.find(name)
        if stored is not None and _undoable(view, stored.job):
            index = stored.job.spec.group.index if stored.job.spec.group else first
            fresh = _submit_undo(ledger, group, stored.job, index)
            found = (index, fresh)
            ledger.group_events(group.id, undo_next(group, found, index, view.now))
            return
    cursor = first + 1 - len(view.members) if view.members else 0
    ledger.group_events(group.id, undo_next(group, None, max(cursor, 0), view.now))


def _undoable(view: View, job: Job) -> bool:
    """Whether it did anything that can be undone and that nobody has taken up already."""
    return bool(done(job)) and carry_key(job.id) not in view.keys


def _submit_undo(ledger: Ledger, group: Group, origin: Job, index: int) -> JobId:
    view = ledger.view
    fresh = job_id(view.now, mix("undo", view.seed))
    membership = Membership(group_id=group.id, index=index, undoes=True)
    command = resubmission(
        origin,
        RetryMode.UNDO,
        job_id=fresh,
        seed=mix("seed", view.seed),
        group=membership,
        whole=True,
    )
    body = f"{mix('retry', origin.id, RetryMode.UNDO):032x}"
    key = KeyRow(key=carry_key(origin.id), fingerprint=body, job_id=fresh)
    take_up(ledger, fresh, origin.id, command, (key,))
    return fresh
