"""Who waits for whom: what a view holds of it, whatever ends, and however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from attrs import evolve as replace

from parcae import commands as c
from parcae.admit import carry_key
from parcae.change import Change, Revision, View
from parcae.errors import Reason
from parcae.events import DependencySettled
from parcae.grouping import Edge, Member, Plan, advance, cancel_group, submit_group
from parcae.groups import Group
from parcae.ports import CASCADE, Committed, Named, Overdue, Query, Restless
from parcae.spec import Dependency, DependencyPolicy, PhaseSpec, Spec, UndoSpec
from parcae.state import Pending
from parcae.values import Error, GroupId, JobId, Status, StreamId
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise, refused, row
from parcae_specs.drive import KIND, PAYLOAD, Driver, spec
from parcae_specs.subject import Capability

PROCEED = DependencyPolicy.PROCEED
MANY = CASCADE + 40


class Graphs(Contract):
    """Requirement 13, and what selections say of dependents and of groups."""

    @promise("Store 13", "S8")
    async def test_s8_a_view_holds_all_who_wait_directly_or_not(self, kit: Kit) -> None:
        """S8: a diamond, and one who waits for its end: nobody else."""
        driver = await kit.driver()
        top = await driver.submit()
        left, right = await driver.submit(after(top)), await driver.submit(after(top))
        bottom = await driver.submit(after(left, right))
        last = await driver.submit(after(bottom, top))
        other = await driver.submit(after(await driver.submit()))
        shown = await driver.shown(Named(ids=(top,)))
        found = set(shown.jobs)
        assert found == {top, left, right, bottom, last}, f"S8: of those who wait {found} are shown"
        assert next(iter(shown.jobs)) == top, "what was asked for comes first"
        assert {name: set(some) for name, some in shown.dependents.items()} == {
            top: {left, right, last},
            left: {bottom},
            right: {bottom},
            bottom: {last},
        }
        assert shown.partial == frozenset()
        assert shown.needed == {str(top)}
        assert other not in shown.jobs
        assert (await driver.shown(Named(ids=(last,)))).dependents == {}

    @promise("Store 13", "S8")
    async def test_s8_the_last_parents_commit_schedules_the_child(self, kit: Kit) -> None:
        """S8: in one commit, and not before all it depends on have ended."""
        driver = await kit.driver()
        first, second = await driver.submit(), await driver.submit()
        child = await driver.submit(after(first, second, policy=PROCEED))
        await driver.tell(first, c.Cancel())
        assert (await row(driver.store, child)).job.status is Status.PENDING
        shown = await driver.shown(Named(ids=(first, second)))
        assert shown.dependents == {second: (child,)}, "nobody waits for what is settled"
        done = await driver.tell(second, c.Cancel())
        assert [one.job_id for one in done.changes] == [second, child]
        assert (await row(driver.store, child)).job.status is Status.SCHEDULED
        assert (await driver.shown(Named(ids=(second,)))).dependents == {}

    @promise("Store 2", "Store 13", "S8")
    async def test_s8_two_parents_that_end_at_once_never_leave_their_child_pending(
        self, kit: Kit
    ) -> None:
        """S8: nor does a child that is submitted while its parents end wait for ever."""
        driver = await kit.driver()
        for _ in range(5):
            parents = [await driver.submit() for _ in range(4)]
            before = await driver.submit(after(*parents, policy=PROCEED))
            ends = [driver.tell(one, c.Cancel()) for one in parents]
            meanwhile = driver.submit(after(*parents, policy=PROCEED))
            late, _ = await asyncio.gather(meanwhile, asyncio.gather(*ends))
            for child in (before, late):
                assert (await row(driver.store, child)).job.status is Status.SCHEDULED
                history = await driver.store.history(child)
                settled = [one for one in history if isinstance(one.event, DependencySettled)]
                assert len(settled) == len(parents), "S8: each parent is settled once"

    @promise("Store 13", "S8")
    async def test_s8_of_more_than_a_commit_should_hold_the_rest_is_owed(self, kit: Kit) -> None:
        """S8: the parent is overdue while anybody waits for it, and not afterwards."""
        driver = await kit.driver()
        parent = await driver.submit()
        children = await _admitted(driver, [after(parent, policy=PROCEED)] * MANY)
        grandchild = await driver.submit(after(*children[-2:]))
        shown = await driver.shown(Named(ids=(parent,)))
        assert len(shown.jobs) == CASCADE + 1
        assert len(shown.dependents[parent]) == CASCADE
        assert parent in shown.partial
        await driver.tell(parent, c.Cancel())
        counts = await driver.store.count(Query())
        assert counts[Status.SCHEDULED] == CASCADE
        overdue = list((await driver.shown(Overdue())).jobs)[:1]
        assert overdue == [parent], "S8: the rest is forgotten"
        await driver.reconcile()
        assert (await row(driver.store, children[-1])).job.status is Status.SCHEDULED
        assert (await row(driver.store, grandchild)).job.status is Status.PENDING
        shown = await driver.shown(Overdue())
        assert shown.jobs == {}, "nothing is left to do"

    @promise("Store 13", "S8")
    async def test_s8_a_job_is_needed_until_all_that_depend_on_it_have_ended(
        self, kit: Kit
    ) -> None:
        """S8: a child that was scheduled, or that runs, may still want the result."""
        driver = await kit.driver()
        parent = await driver.submit()
        child = await driver.submit(after(parent, policy=PROCEED))
        await driver.tell(parent, c.Cancel())
        for _ in range(2):
            needed = (await driver.shown(Named(ids=(parent,)))).needed
            assert needed == {str(parent)}, f"S8: needed are {needed}"
            await refused(driver.store, driver.tell(parent, c.Delete()), Reason.NEEDED)
            await driver.claim()
        assert (await row(driver.store, child)).job.status is Status.RUNNING
        await driver.tell(child, c.Cancel(force=True))
        assert (await driver.shown(Named(ids=(parent,)))).needed == frozenset()
        await driver.tell(child, c.Delete())
        await driver.tell(parent, c.Delete())

    @promise("Store 13", "S5")
    async def test_s5_a_job_that_waits_for_many_comes_back_as_it_was(self, kit: Kit) -> None:
        """S5: which of hundreds are unsettled is kept, and it starts after the last of them."""
        driver = await kit.driver()
        parents = await _admitted(driver, [spec()] * 100)
        child = await driver.submit(after(*parents, policy=PROCEED))
        for index, parent in enumerate(parents[::2] + parents[1::2], 1):
            state = (await row(driver.store, child)).job.state
            assert isinstance(state, Pending)
            assert len(state.unsettled) == 101 - index
            assert parent in state.unsettled
            await driver.tell(parent, c.Cancel())
        assert (await row(driver.store, child)).job.status is Status.SCHEDULED

    @promise("Store 1", "Store 12", "S5")
    async def test_s5_a_groups_end_is_in_the_commit_that_ends_its_last_member(
        self, kit: Kit
    ) -> None:
        """S5: its members bring their group along, and with it whoever waits for the group."""
        driver = await kit.driver()
        callback = Member(spec=spec(), payload=PAYLOAD)
        name, members = await grouped(driver, _members(3), callback=callback)
        shown = await driver.shown(Named(ids=members[:1]))
        ((waiting,),) = [shown.dependents[name]]
        assert set(shown.groups) == {name}
        assert set(shown.jobs) == {members[0], waiting}
        for member in members:
            assert (await row(driver.store, waiting)).job.status is Status.PENDING
            done = await driver.tell(member, c.Cancel())
            assert [one.stream for one in done.revisions] == [StreamId(name)]
        assert (await _group(driver, name)).status is Status.CANCELLED, "S5: it has not ended"
        assert (await row(driver.store, waiting)).job.status is Status.SCHEDULED
        assert set((await driver.shown(Named(groups=(name,)))).groups) == {name}
        assert set((await driver.shown(Named(ids=(JobId(name),)))).groups) == {name}
        listed = await driver.store.find(Query(group=name))
        assert {one.job.id for one in listed.jobs} == set(members)
        assert await driver.store.count(Query(group=name)) == {Status.CANCELLED: 3}

    @promise("Store 1", "Store 12", "L3")
    async def test_l3_a_group_that_has_to_go_on_is_shown_its_members_window_by_window(
        self, kit: Kit
    ) -> None:
        """L3: in its order, so many at once, until none of it is left to do."""
        driver = await kit.driver()
        name, members = await grouped(driver, _members(5))
        assert (await driver.shown(Restless())).groups == {}
        await driver.store.transact(Named(groups=(name,)), lambda view: cancel_group(view, name))
        for window in (members[:2], members[2:4], members[4:]):
            shown = await driver.shown(Restless(limit=2))
            assert list(shown.groups)[:1] == [name], "L3: it has to go on, and is not found"
            assert shown.members == window
            assert set(shown.jobs) == set(window)
            await driver.store.transact(Restless(limit=2), advance)
        assert (await _group(driver, name)).status is Status.CANCELLED
        assert (await driver.shown(Restless())).groups == {}

    @promise("Store 1", "Store 12", "S12", needs=[Capability.CLOCK])
    async def test_s12_a_graph_that_compensates_undoes_the_last_first(self, kit: Kit) -> None:
        """S12: the members, their blobs, and the keys of those that were taken up already."""
        driver = await kit.driver()
        name, members = await grouped(driver, _chain(3), compensate=True)
        for _ in members[:2]:
            (granted,) = await driver.claim(f"do {len(await driver.store.log())}")
            await driver.work(granted)
        (granted,) = await driver.claim("fail")
        error = Error(type="builtins.ValueError", permanent=True)
        await driver.tell(granted.job.id, c.Fail(token=granted.lease.token, error=error))
        undone: list[JobId] = []
        for _ in range(9):
            shown = await driver.shown(Restless(limit=9))
            assert all((one, "payload") in shown.blobs for one in shown.members)
            kept = {carry_key(one) for one in undone}
            assert set(shown.keys) == kept & {carry_key(one) for one in shown.members}
            done = await driver.store.transact(Restless(limit=9), advance)
            undone += await _undone(driver, done)
        assert undone == [members[1], members[0]], "S12: not the last first"
        assert (await _group(driver, name)).status is Status.COMPENSATED
        listed = await driver.store.count(Query(group=name))
        assert listed == {Status.COMPLETED: 2, Status.FAILED: 1, Status.COMPENSATED: 2}


def after(*parents: JobId, policy: DependencyPolicy = DependencyPolicy.CANCEL) -> Spec:
    """A job that waits for these."""
    waits = tuple(Dependency(parent=one, policy=policy) for one in parents)
    return replace(spec(), dependencies=waits)


def _members(count: int) -> tuple[Member, ...]:
    return (Member(spec=spec(), payload=PAYLOAD),) * count


def _chain(count: int) -> tuple[Member, ...]:
    undoable = replace(spec(), phases=(PhaseSpec(name="only", undo=UndoSpec()),))
    edges: Iterable[tuple[Edge, ...]] = ((Edge(index=i - 1),) if i else () for i in range(count))
    return tuple(Member(spec=undoable, payload=PAYLOAD, after=edge) for edge in edges)


async def grouped(
    driver: Driver,
    members: tuple[Member, ...],
    callback: Member | None = None,
    *,
    compensate: bool = False,
) -> tuple[GroupId, tuple[JobId, ...]]:
    """A group, and its members in their order."""
    plan = Plan(members=members, callback=callback, compensate=compensate)
    named: list[tuple[GroupId, tuple[JobId, ...]]] = []

    def rule(view: View) -> Sequence[Change | Revision]:
        changes, answer = submit_group(view, plan)
        named.append((answer.group_id, answer.jobs))
        return changes

    await driver.store.transact(Named(), rule)
    return named[-1]


async def _group(driver: Driver, name: GroupId) -> Group:
    found = await driver.store.aggregate(StreamId(name))
    assert isinstance(found, Group)
    return found


async def _undone(driver: Driver, done: Committed) -> list[JobId]:
    """Do the undos that were submitted; whose they are."""
    origins = [one.job.spec.origin for one in done.changes if one.job is not None]
    for granted in await driver.claim(f"undo {done.position}", limit=9):
        job, token = granted.job, granted.lease.token
        await driver.tell(job.id, c.StartUndo(token=token, phase="only"))
        await driver.tell(job.id, c.CompleteUndo(token=token, phase="only"))
    return [one.job_id for one in origins if one is not None]


async def _admitted(driver: Driver, specs: Sequence[Spec]) -> list[JobId]:
    """Many jobs, each in a transaction of its own: a graph is not what this is about."""
    assert all(one.kind == KIND for one in specs)
    return [await driver.submit(one) for one in specs]
