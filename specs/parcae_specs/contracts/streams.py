"""Queues, groups and schedules: stored like jobs, in the same log, in the same commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from attrs import evolve as replace

from parcae import commands as c
from parcae.change import Change, Revision, View, stream_of
from parcae.configure import configure
from parcae.errors import Reason
from parcae.fsck import fsck
from parcae.grouping import Member
from parcae.ports import Named, Query, Ticking
from parcae.queues import Pause, Queue, QueueCommand, Rate, Resume, SetLimit, SetRate, queue_stream
from parcae.queues import fold as fold_queue
from parcae.queues.events import LimitSet, QueueEvent, QueuePaused
from parcae.schedules import (
    Plan,
    Schedule,
    ScheduleEvent,
    ScheduleRemoved,
    ScheduleSet,
    evolve,
    schedule_stream,
)
from parcae.values import Instant, JobId, Lane, StreamId, Version, seconds
from parcae_specs.contracts.atomic import note
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.graphs import after, grouped
from parcae_specs.contracts.kit import Kit, promise, raised, refused, whole_log
from parcae_specs.drive import PAYLOAD, Driver, spec
from parcae_specs.subject import Capability

API = queue_stream("api")


class Streams(Contract):
    """Requirement 12, and what else has a history beside jobs."""

    @promise("Store 12", "S5")
    async def test_s5_a_queue_is_the_fold_of_its_events(self, kit: Kit) -> None:
        """S5: they are in the log under its stream, and versions count them one by one."""
        driver = await kit.driver()
        assert await driver.store.aggregate(API) is None
        assert list(await driver.store.record(API)) == []
        commands: tuple[QueueCommand, ...] = (
            Pause(by="ops"),
            SetLimit(limit=3),
            SetRate(rate=Rate(count=2), key="k"),
            SetLimit(limit=1, each=True),
            Resume(),
        )
        for version, command in enumerate(commands, 1):
            await driver.set("api", command)
            record = await driver.store.record(API)
            found = [one.version for one in record]
            assert found == list(range(1, version + 1)), f"S5: its history counts {found}"
            assert {one.stream for one in record} == {API}
            events = [one.event for one in record if isinstance(one.event, QueueEvent)]
            assert await driver.store.aggregate(API) == fold_queue("api", events)
        assert (await driver.set("api", Resume())).revisions == ()
        report = await fsck(driver.store)
        assert (report.aggregates, report.events) == (1, 5)

    @promise("Store 5", "Store 12", "S16")
    async def test_s16_the_log_holds_the_events_of_all_in_the_order_of_their_commits(
        self, kit: Kit
    ) -> None:
        """S16: those of queues and groups among those of jobs, each once."""
        driver = await kit.driver()
        await driver.set("api", Pause())
        first = await driver.submit()
        name, members = await grouped(driver, ())
        await driver.set("api", Resume())
        second = await driver.submit()
        log = await whole_log(driver.store, 2)
        streams = [API, *[StreamId(first)] * 2, *[StreamId(name)] * 2, API, *[StreamId(second)] * 2]
        assert members == ()
        assert [one.stream for one in log] == streams, "S16: others are in the log"
        assert [one.position for one in log] == sorted({one.position for one in log})
        assert list(await driver.store.record(API)) == [one for one in log if one.stream == API]
        assert list(await driver.store.history(first)) == log[1:3]

    @promise("Store 5", "Store 12", "S16")
    async def test_s16_the_events_of_a_commit_stand_in_the_order_in_which_its_rule_gave_them(
        self, kit: Kit
    ) -> None:
        """S16: of jobs and of others alike: the group ends before its callback may start."""
        driver = await kit.driver()
        name, _ = await grouped(driver, (), callback=Member(spec=spec(), payload=PAYLOAD))
        (callback,) = (await driver.store.find(Query())).jobs
        streams = [one.stream for one in await whole_log(driver.store)]
        expected = [StreamId(name)] * 2 + [StreamId(callback.job.id)] * 3
        assert streams == expected, f"S16: expected the log of {expected}, got that of {streams}"

    @promise("Store 5", "Store 12", "S4")
    async def test_s4_a_revision_of_another_version_conflicts_and_nothing_is_written(
        self, kit: Kit
    ) -> None:
        """S4: the second fence, for what has a history beside jobs."""
        driver = await kit.driver()
        job = await driver.submit()
        await driver.set("api", Pause())
        wrongs: tuple[tuple[dict[str, Any], Reason], ...] = (
            ({"before": Version(0)}, Reason.MOVED_ON),
            ({"before": Version(2)}, Reason.MOVED_ON),
            ({"after": Queue(name="api", version=Version(7))}, Reason.UNLAWFUL),
            ({"after": None}, Reason.UNLAWFUL),
        )
        for wrong, reason in wrongs:

            def rule(view: View, wrong: dict[str, Any] = wrong) -> Sequence[Change | Revision]:
                (right,) = configure(view, "api", SetLimit(limit=1))
                return [note(view, job, ""), replace(right, **wrong)]

            doing = driver.store.transact(Named(ids=(job,), queues=("api",)), rule)
            await refused(driver.store, doing, reason)
            assert len(await driver.store.record(API)) == 1

    @promise("Store 1", "Store 12", "S23")
    async def test_s23_jobs_and_others_are_written_together_or_not_at_all(self, kit: Kit) -> None:
        """S23: when the change of a job is refused, the queue is as it was."""
        driver = await kit.driver()
        job = await driver.submit()

        def both(view: View) -> Sequence[Change | Revision]:
            return [*configure(view, "api", Pause()), note(view, job, "")]

        def twice(view: View) -> Sequence[Change | Revision]:
            return [*configure(view, "mail", Pause()), note(view, job, ""), note(view, job, "")]

        selection = Named(ids=(job,), queues=("api", "mail"))
        done = await driver.store.transact(selection, both)
        assert [one.stream for one in done.revisions] == [API]
        assert [one.job_id for one in done.changes] == [job]
        await refused(driver.store, driver.store.transact(selection, twice), Reason.MOVED_ON)
        assert await driver.store.aggregate(queue_stream("mail")) is None

    @promise("Store 2", "Store 12", "S23")
    async def test_s23_of_many_that_set_a_queue_at_once_each_sees_the_one_before(
        self, kit: Kit
    ) -> None:
        """S23: no setting is lost, whoever comes between."""
        driver = await kit.driver()
        keys = [f"k{number}" for number in range(20)]
        await asyncio.gather(*(driver.set("api", SetLimit(limit=1, key=key)) for key in keys))
        queue = await driver.store.aggregate(API)
        assert isinstance(queue, Queue)
        assert sorted(queue.keys) == sorted(keys)
        record = await driver.store.record(API)
        assert [one.version for one in record] == list(range(1, 21))

    @promise("Store 12", "S26")
    async def test_s26_they_are_listed_by_the_names_of_their_streams(self, kit: Kit) -> None:
        """S26: in pages, each once."""
        driver = await kit.driver()
        for name in ("b", "a", "c"):
            await driver.set(name, Pause())
        group, _ = await grouped(driver, ())
        await planned(driver, "nightly", kit.clock.now())
        expected = [group, *map(queue_stream, "abc"), schedule_stream("nightly")]
        found: list[StreamId] = []
        while page := await driver.store.aggregates(found[-1] if found else "", 2):
            assert len(page) <= 2
            found += map(stream_of, page)
        assert list(map(str, found)) == list(map(str, expected))
        assert [stream_of(one) for one in await driver.store.aggregates()] == found
        assert await driver.store.aggregates("", 0) == ()

    @promise("Store 12", "S5")
    async def test_s5_a_schedule_goes_and_its_name_may_be_given_again(self, kit: Kit) -> None:
        """S5: its history stays, and goes on."""
        driver = await kit.driver()
        stream, now = schedule_stream("nightly"), kit.clock.now()
        for reached in (0, 2):
            await planned(driver, "nightly", now)
            (shown,) = (await driver.shown(Named(schedules=("nightly",)))).schedules.values()
            assert (shown.version, shown.removed) == (reached + 1, False)
            await scheduled(driver, "nightly", ScheduleRemoved(at=now), None)
            found = await driver.store.aggregate(stream)
            assert isinstance(found, Schedule)
            assert (found.version, found.removed) == (reached + 2, True)
            versions = [one.version for one in await driver.store.record(stream)]
            assert versions == list(range(1, reached + 3))

    @promise("Store 1", "Store 12", "L2", needs=[Capability.CLOCK])
    async def test_l2_schedules_are_found_when_they_are_due_the_longest_first(
        self, kit: Kit
    ) -> None:
        """L2: next_due knows them, and no more than were asked for are shown."""
        driver = await kit.driver()
        begin = kit.clock.now()
        for name, wait in (("late", 3), ("first", 1), ("second", 2)):
            await planned(driver, name, begin + seconds(wait))
        await driver.set("api", Pause())
        assert await driver.store.next_due() == begin + seconds(1)
        assert await driver.store.next_due(begin + seconds(1)) == begin + seconds(2)
        assert await driver.store.next_due(begin + seconds(3)) is None
        for wait, found in ((0, []), (1, ["first"]), (9, ["first", "second"])):
            kit.moved.set(begin + seconds(wait))
            shown = await driver.shown(Ticking(limit=2))
            assert list(shown.schedules) == found
            assert set(shown.queues) == ({"api"} if found else set())

    @promise("Store 12", "S27", needs=[Capability.DURABLE])
    async def test_s27_they_are_there_when_the_store_is_opened_again(self, kit: Kit) -> None:
        """S27: with their histories, their versions and who waits for whom."""
        driver = await kit.driver()
        job = await driver.submit()
        child = await driver.submit(after(job))
        await driver.set("api", SetLimit(limit=2, key="k"))
        await planned(driver, "nightly", kit.clock.now())
        name, _ = await grouped(driver, ())
        kept = await driver.store.aggregates(), await driver.store.log()
        await kit.close(driver.store)
        again = await kit.driver()
        found = await again.store.aggregates(), await again.store.log()
        assert found == kept, f"S27: there is {found[0]}, of {kept[0]}"
        assert (await again.shown(Named(ids=(job,)))).dependents == {job: (child,)}
        assert set((await again.shown(Named(groups=(name,)))).groups) == {name}
        await again.set("api", SetLimit(limit=1, key="k"))
        limits = [one.event for one in await again.store.record(API)]
        assert [one.limit for one in limits if isinstance(one, LimitSet)] == [2, 1]

    @promise("Store 10", "EventBus 3", "L6")
    async def test_l6_whoever_waits_for_a_group_is_woken_by_its_end(self, kit: Kit) -> None:
        """L6: it is news like the end of a job."""
        driver = await kit.driver()
        name, (member,) = await grouped(driver, (Member(spec=spec(), payload=PAYLOAD),))
        waiting = asyncio.create_task(driver.store.wait(driver.store.mark(), job_id=JobId(name)))
        await asyncio.sleep(0.01)
        await driver.tell(member, c.Cancel())
        await asyncio.wait_for(waiting, kit.soon)

    @promise("Store 12", "S28")
    async def test_s28_what_is_refused_says_of_which_stream(self, kit: Kit) -> None:
        """S28: the stream and both versions stand in the message."""
        driver = await kit.driver()
        event = QueuePaused(at=kit.clock.now())
        queue = Queue(name="api", version=Version(4))
        wrong = Revision(stream=API, before=Version(3), events=(event,), after=queue)
        error = await raised(driver.store.transact(Named(), lambda _: [wrong]))
        assert "queue/api" in str(error)
        assert "version 0" in str(error)
        assert "at 3" in str(error)


async def planned(driver: Driver, name: str, at: Instant) -> None:
    """A schedule whose next tick is then."""
    job = replace(spec(), lane=Lane("api"))
    plan = Plan(cron="0 3 * * *", spec=job, payload=PAYLOAD.decode())
    await scheduled(driver, name, ScheduleSet(at=at, plan=plan, next_at=at), at)


async def scheduled(
    driver: Driver, name: str, event: ScheduleEvent, remind: Instant | None
) -> None:
    """One more event of a schedule."""
    stream = schedule_stream(name)
    record = await driver.store.record(stream)
    before = record[-1].version if record else Version(0)

    def rule(view: View) -> Sequence[Revision]:
        after = evolve(name, view.schedules.get(name), event)
        return [Revision(stream=stream, before=before, events=(event,), after=after, remind=remind)]

    await driver.store.transact(Named(schedules=(name,)), rule)
