"""Jobs and what stands beside them, seen and changed by many at once, at several stores."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from attrs import evolve as replace

from parcae import commands as c
from parcae.admit import Idempotency, submit
from parcae.answers import Admitted
from parcae.change import Change, Key, Revision, View
from parcae.grouping import Member, Plan, advance, cancel_group, submit_group
from parcae.groups import Group
from parcae.ports import CASCADE, Claimable, Named, Overdue, Query, Restless, Ticking
from parcae.queues import Pause, Resume, SetLimit
from parcae.schedules import Missed, ScheduleFired, SetSchedule, schedule_stream
from parcae.schedules import Plan as SchedulePlan
from parcae.spec import Spec, Timing, Unique
from parcae.ticking import fire, set_schedule
from parcae.values import GroupId, JobId, Lane, Status, StreamId, seconds
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.graphs import MANY, PROCEED, after, grouped
from parcae_specs.contracts.kit import Kit, promise, row
from parcae_specs.drive import KIND, PAYLOAD, WORKER, Driver, spec
from parcae_specs.subject import Capability
from parcae_specs.ticks import EverySeconds

MEMBER = Member(spec=spec(), payload=PAYLOAD)
NIGHTLY = SchedulePlan(cron="10", spec=spec(), payload=PAYLOAD.decode(), missed=Missed.ALL)


class Together(Contract):
    """Requirements 1, 2, 12 and 13, where many come at once."""

    @promise("Store 1", "Store 12", "S23")
    async def test_s23_nobody_sees_a_members_end_without_its_group_that_counts_it(
        self, kit: Kit
    ) -> None:
        """S23: what a view holds of a group and of its members is of one commit."""
        driver = await kit.driver()
        name, members = await grouped(driver, (MEMBER,) * 12)

        async def look() -> None:
            for _ in range(40):
                view = await driver.shown(Named(ids=members))
                ended = Counter(
                    view.jobs[one].job.status
                    for one in members
                    if view.jobs[one].job.status.is_terminal
                )
                counted = view.groups[name].ended
                assert counted == ended, f"S23: {ended} members ended, their group has {counted}"

        async def end() -> None:
            for member in members:
                await driver.tell(member, c.Cancel())

        await asyncio.gather(look(), end())
        assert (await _group(driver, name)).status is Status.CANCELLED

    @promise("Store 1", "Store 13", "S8")
    async def test_s8_the_callback_of_a_group_that_ends_at_its_admission_is_scheduled(
        self, kit: Kit
    ) -> None:
        """S8: what its only member depends on had ended badly before."""
        driver = await kit.driver()
        parent = await driver.submit()
        await driver.tell(parent, c.Cancel())
        plan = Plan(members=(replace(MEMBER, spec=after(parent)),), callback=MEMBER)
        done = await driver.store.transact(
            Named(ids=(parent,)), lambda view: submit_group(view, plan)[0]
        )
        member, callback = (one.job_id for one in done.changes)
        assert (await row(driver.store, member)).job.status is Status.CANCELLED
        status = (await row(driver.store, callback)).job.status
        assert status is Status.SCHEDULED, f"S8: {status}, though its group has ended"

    @promise("Store 13", "Store 12", "S8")
    async def test_s8_of_a_groups_end_too_the_rest_is_owed(self, kit: Kit) -> None:
        """S8: the group goes on, or is to, while anybody waits for it, and not afterwards."""
        driver = await kit.driver()
        name, (member,) = await grouped(driver, (MEMBER,))
        waits = after(JobId(name), policy=PROCEED)
        children = [await driver.submit(waits) for _ in range(MANY)]
        shown = await driver.shown(Named(groups=(name,)))
        assert len(shown.dependents[name]) == CASCADE
        assert shown.partial == {name}
        # The end of a member brings its group, and with it whoever waits for the group.
        await driver.tell(member, c.Cancel())
        assert (await driver.store.count(Query()))[Status.SCHEDULED] == CASCADE
        assert list((await driver.shown(Restless())).groups) == [name], "S8: the rest is forgotten"
        await driver.store.transact(Restless(), advance)
        assert (await row(driver.store, children[-1])).job.status is Status.SCHEDULED
        assert (await driver.shown(Restless())).groups == {}
        assert (await _group(driver, name)).status is Status.CANCELLED

    @promise("Store 13", "S8", "S27", needs=[Capability.DURABLE])
    async def test_s8_what_is_still_owed_is_done_after_the_store_is_opened_again(
        self, kit: Kit
    ) -> None:
        """S8: a crash between the levels of a graph leaves nobody pending for ever."""
        driver = await kit.driver()
        parent = await driver.submit()
        for _ in range(MANY):
            await driver.submit(after(parent, policy=PROCEED))
        await driver.tell(parent, c.Cancel())
        await kit.close(driver.store)
        again = await kit.driver()
        assert list((await again.shown(Overdue())).jobs)[:1] == [parent]
        await again.reconcile()
        counts = await again.store.count(Query())
        assert counts == {Status.SCHEDULED: MANY, Status.CANCELLED: 1}

    @promise("Store 1", "S6", needs=[Capability.CLOCK])
    async def test_s6_with_jobs_comes_what_is_set_for_their_queues(self, kit: Kit) -> None:
        """S6: whatever selection finds them; of queues with nothing set there is nothing."""
        driver = await kit.driver()
        brisk = replace(spec(), timing=Timing(stale_after=seconds(5)))
        api = replace(MEMBER, spec=replace(spec(), lane=Lane("api")))
        (held, plain) = [replace(brisk, lane=Lane(name)) for name in ("api", "plain")]
        jobs = [await driver.submit(one) for one in (held, plain)]
        name, _ = await grouped(driver, (api,))
        await driver.set("api", SetLimit(limit=9))
        await driver.set("other", Pause())
        await driver.store.transact(Named(groups=(name,)), lambda view: cancel_group(view, name))
        kit.moved.advance(seconds(5))
        look = Claimable(worker=WORKER, request="look", kinds=frozenset({KIND}))
        for selection in (Named(ids=tuple(jobs)), Overdue(), Restless(), look):
            shown = await driver.shown(selection)
            assert shown.jobs, f"{selection} finds nobody"
            assert set(shown.queues) == {"api"}, f"S6: {selection} shows {set(shown.queues)}"
        asked = await driver.shown(Named(queues=("other", "plain")))
        assert set(asked.queues) == {"other"}

    @promise("Store 1", "Store 12", "S17")
    async def test_s17_one_key_admits_one_group_under_any_race(self, kit: Kit) -> None:
        """S17: the row of the key brings the group along, whose members are named again."""
        driver = await kit.driver()
        racing = await asyncio.gather(*(_keyed(driver) for _ in range(8)))
        assert len(set(racing)) == 1, f"S17: one key, {len(set(racing))} groups"
        assert await driver.store.count(Query()) == {Status.SCHEDULED: 3}

    @promise("Store 2", "S17", needs=[Capability.SHARED])
    async def test_s17_a_constraint_admits_one_job_whichever_store_is_asked(self, kit: Kit) -> None:
        """S17: whoever comes later is told which job stands for it."""
        drivers = [await kit.driver() for _ in range(3)]
        once = Key(scope="unique", key="n")
        unique = replace(spec(), unique=Unique(name="n"))
        racing = await asyncio.gather(*(_admitted(one, unique, once) for one in drivers * 5))
        assert len(set(racing)) == 1, f"S17: one constraint, {len(set(racing))} jobs"
        await drivers[0].tell(racing[0], c.Cancel())
        assert await _admitted(drivers[1], unique, once) != racing[0]

    @promise("Store 2", "Store 12", "S6", needs=[Capability.SHARED])
    async def test_s6_what_is_set_at_one_store_binds_the_next_claim_at_another(
        self, kit: Kit
    ) -> None:
        """S6: nobody goes on by what was set before."""
        here, there = await kit.driver(), await kit.driver()
        jobs = [await here.submit() for _ in range(4)]
        assert await _claim(there, "a", 1) == jobs[:1]
        await here.set("default", SetLimit(limit=2))
        assert await _claim(there, "b", 9) == jobs[1:2], "S6: claimed by what was set before"
        await here.set("default", SetLimit(limit=3))
        await here.set("default", Pause())
        assert await _claim(there, "c", 9) == []
        await here.set("default", Resume())
        assert await _claim(there, "d", 9) == jobs[2:3]

    @promise("Store 2", "Store 13", "S8", needs=[Capability.SHARED])
    async def test_s8_parents_that_end_at_several_stores_never_leave_their_child_pending(
        self, kit: Kit
    ) -> None:
        """S8: nor one that is submitted at a third meanwhile."""
        drivers = [await kit.driver() for _ in range(3)]
        for _ in range(4):
            parents = [await one.submit() for one in drivers]
            before = await drivers[0].submit(after(*parents, policy=PROCEED))
            ends = (one.tell(job, c.Cancel()) for one, job in zip(drivers, parents, strict=True))
            meanwhile = drivers[1].submit(after(*parents, policy=PROCEED))
            late, _ = await asyncio.gather(meanwhile, asyncio.gather(*ends))
            for child in (before, late):
                status = (await row(drivers[2].store, child)).job.status
                assert status is Status.SCHEDULED, f"S8: {status}, though nobody is waited for"

    @promise("Store 2", "Store 12", "S17", needs=[Capability.CLOCK])
    async def test_s17_of_many_that_look_at_a_schedule_one_admits_the_job_of_a_tick(
        self, kit: Kit
    ) -> None:
        """S17: each tick has one job, and the event that says so is in its commit."""
        driver = await kit.driver()
        command = SetSchedule(plan=NIGHTLY)
        selection = Named(schedules=("n",))
        calendar = EverySeconds()
        await driver.store.transact(
            selection, lambda view: set_schedule(view, "n", command, calendar)
        )
        for ticks in (1, 2):
            kit.moved.advance(seconds(10 * ticks))
            looks = (
                driver.store.transact(Ticking(), lambda view: fire(view, calendar)[0])
                for _ in range(6)
            )
            done = await asyncio.gather(*looks)
            assert sorted(len(one.changes) for one in done) == [0] * 5 + [ticks], "S17"
        record = await driver.store.record(schedule_stream("n"))
        fired = [one.event for one in record if isinstance(one.event, ScheduleFired)]
        jobs = [job for event in fired for job in event.jobs]
        assert len(set(jobs)) == 3
        stored = [await row(driver.store, job) for job in jobs]
        ticked = [tick for event in fired for tick in event.ticks]
        assert [one.job.spec.run_at for one in stored] == ticked


async def _group(driver: Driver, name: GroupId) -> Group:
    found = await driver.store.aggregate(StreamId(name))
    assert isinstance(found, Group)
    return found


async def _claim(driver: Driver, request: str, limit: int) -> list[JobId]:
    return [one.job.id for one in await driver.claim(request, limit=limit)]


async def _keyed(driver: Driver) -> tuple[GroupId, tuple[JobId, ...]]:
    """Three jobs under one key; whose they are in the end."""
    once = Idempotency(key=Key(scope="submit", key="g"), ttl=seconds(60))
    answers: list[tuple[GroupId, tuple[JobId, ...]]] = []

    def rule(view: View) -> Sequence[Change | Revision]:
        changes, answer = submit_group(view, Plan(members=(MEMBER,) * 3), once)
        answers.append((answer.group_id, answer.jobs))
        return changes

    await driver.store.transact(Named(keys=(once.key,)), rule)
    return answers[-1]


async def _admitted(driver: Driver, what: Spec, key: Key) -> JobId:
    """The job that stands for all of a constraint."""
    selection = Named(keys=(key,), queues=(what.lane.queue,))
    done = await driver.store.transact(selection, lambda view: submit(view, what, PAYLOAD))
    answer = done.changes[0].answer
    assert isinstance(answer, Admitted)
    return answer.job_id
