"""What can be asked without a transaction: lists, histories, the log, what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve as replace

from parcae import commands as c
from parcae.change import Change, View
from parcae.ports import Extent, Named, Query
from parcae.state import Job
from parcae.values import JobId, Position, Status, StreamId, Version
from parcae_specs.contracts.atomic import note, two
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise, row, whole_log
from parcae_specs.drive import KIND, WORKER, Driver, spec
from parcae_specs.subject import Capability

HOUR = timedelta(hours=1)


class Reading(Contract):
    """Requirements 2 and 5, for whoever only reads."""

    @promise("Store 5", "S16")
    async def test_s16_a_reader_of_the_log_sees_every_event_once_and_in_order(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        await _follow([driver], 4, 15)

    @promise("Store 5", "S16", needs=[Capability.SHARED])
    async def test_s16_a_reader_skips_no_event_that_another_store_commits_late(
        self, kit: Kit
    ) -> None:
        await _follow([await kit.driver() for _ in range(3)], 3, 10)

    @promise("Store 5", "S16")
    async def test_s16_the_log_goes_on_where_a_reader_left_it(self, kit: Kit) -> None:
        driver = await kit.driver()
        for _ in range(5):
            await driver.submit()
        log = await driver.store.log()
        assert len(log) == 10
        for index, one in enumerate(log):
            assert await driver.store.log(one.position, 3) == log[index + 1 : index + 4]
        assert await driver.store.log(Position(0), 0) == ()
        assert await whole_log(driver.store, 3) == list(log)

    @promise("Store 22", "S16", "S22")
    async def test_s16_a_reader_that_comes_too_late_for_what_was_deleted_can_tell(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        assert await driver.store.extent() == Extent()
        first, kept = await driver.finished(), await driver.submit()
        before = await driver.store.log()
        head = before[-1].position
        assert await driver.store.extent() == Extent(head=head)
        await driver.tell(first, c.Delete())
        extent = await driver.store.extent()
        last = max(one.position for one in before if one.stream == StreamId(first))
        assert extent.whole == last, "Store 22: what was deleted last stood elsewhere"
        after = await driver.store.log()
        assert extent.head == after[-1].position > head, "Store 22: the log ends elsewhere"
        await driver.tell(kept, c.Annotate(by="", note=""))
        assert (await driver.store.extent()).whole == last, "Store 22: nothing more was deleted"

    @promise("Store 5", "S16")
    async def test_s16_a_history_is_the_part_of_the_log_that_is_of_one_job(self, kit: Kit) -> None:
        driver = await kit.driver()
        jobs = [await driver.submit() for _ in range(3)]
        for job in jobs * 2:
            await driver.tell(job, c.Annotate(by="", note=""))
        log = await driver.store.log()
        for job in jobs:
            mine = [one for one in log if JobId(one.stream) == job]
            assert list(await driver.store.history(job)) == mine
            assert list(await driver.store.history(job, Version(3))) == mine[3:]
        assert list(await driver.store.history(JobId("nobody"))) == []

    @promise("Store 2", "S26")
    async def test_s26_pages_are_newest_first_whole_and_end(self, kit: Kit) -> None:
        driver = await kit.driver()
        jobs = []
        for number in range(7):
            jobs.append(await driver.submit(spec(kind="odd" if number % 2 else KIND)))
            kit.moved.advance(timedelta(seconds=1))
            await asyncio.sleep(0.002)
        newest = sorted(jobs, reverse=True)
        assert await _pages(driver, Query(limit=3)) == newest
        odd = Query(kinds=frozenset({"odd"}), limit=3)
        assert await _pages(driver, odd) == sorted(jobs[1::2], reverse=True)
        assert (await driver.store.find(odd)).cursor == "", "a page that is the last ends"
        assert await _pages(driver, Query(limit=7)) == newest

    @promise("Store 2", "S26")
    async def test_s26_lists_and_counts_name_the_same_jobs(self, kit: Kit) -> None:
        driver = await kit.driver()
        held, waiting = await driver.submit(), await driver.submit()
        await driver.claim()
        ended = await driver.submit(spec(kind="other"))
        await driver.tell(ended, c.Cancel())
        for query, found in (
            (Query(worker=WORKER), {held: Status.RUNNING}),
            (Query(statuses=frozenset({Status.SCHEDULED})), {waiting: Status.SCHEDULED}),
            (Query(kinds=frozenset({"other"})), {ended: Status.CANCELLED}),
            (Query(queues=frozenset({"mail"})), {}),
            (
                Query(statuses=frozenset(Status), kinds=frozenset({KIND})),
                {held: Status.RUNNING, waiting: Status.SCHEDULED},
            ),
        ):
            page = await driver.store.find(query)
            listed = {one.job.id: one.job.status for one in page.jobs}
            assert listed == found
            assert await driver.store.count(query) == dict.fromkeys(found.values(), 1)
            for one in page.jobs:
                assert one == await row(driver.store, one.job.id)

    @promise("Store 6", "L2")
    async def test_l2_next_due_is_the_first_instant_at_which_somebody_has_to_look(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        assert await driver.store.next_due() is None
        first = await _job(driver, await driver.submit(spec(kind="nobody serves it")))
        later = first.submitted_at + HOUR
        assert await driver.store.next_due() == first.submitted_at
        assert await driver.store.next_due(first.submitted_at) is None
        bounded = replace(spec(), run_at=later, deadline=later + HOUR)
        await driver.submit(bounded)
        assert await driver.store.next_due(first.submitted_at) == later
        assert await driver.store.next_due(later) == later + HOUR
        assert await driver.store.next_due(later + HOUR) is None

    @promise("Store 6", "L3", needs=[Capability.CLOCK])
    async def test_l3_next_due_follows_a_renewal(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        (granted,) = await driver.claim()
        begin = granted.lease.since
        assert await driver.store.next_due(begin) == begin + job_lease(granted.job)
        kit.moved.advance(timedelta(seconds=7))
        await driver.tell(job, c.Renew(token=granted.lease.token))
        expiry = kit.clock.now() + job_lease(granted.job)
        assert await driver.store.next_due(begin) == expiry


def job_lease(job: Job) -> timedelta:
    """How long a claim of it holds."""
    return job.spec.timing.lease


async def _job(driver: Driver, job: JobId) -> Job:
    return (await row(driver.store, job)).job


async def _pages(driver: Driver, query: Query) -> list[JobId]:
    found: list[JobId] = []
    while True:
        page = await driver.store.find(query)
        assert len(page.jobs) <= query.limit
        found += [one.job.id for one in page.jobs]
        if not page.cursor:
            return found
        query = replace(query, cursor=page.cursor)


async def _follow(drivers: Sequence[Driver], writers: int, times: int) -> None:
    """Read the log while others write; what was read is the whole log, in its order."""
    expected = len(drivers) * writers * times * 5
    seen: list[tuple[Position, JobId, Version]] = []

    async def reader() -> None:
        store = drivers[0].store
        while len(seen) < expected:
            mark = store.mark()
            some = await store.log(seen[-1][0] if seen else Position(0), 7)
            seen.extend((one.position, JobId(one.stream), one.version) for one in some)
            if not some and len(seen) < expected and store.mark() == mark:
                await asyncio.sleep(0.001)

    async def write(driver: Driver) -> None:
        for _ in range(times):
            job = (await driver.store.transact(Named(), two)).changes[0].job_id

            def rule(view: View, job: JobId = job) -> Sequence[Change]:
                return [note(view, job, "")]

            await driver.store.transact(Named(ids=(job,)), rule)

    reading = asyncio.create_task(reader())
    await asyncio.gather(*(write(one) for one in drivers for _ in range(writers)))
    await asyncio.wait({reading}, timeout=1.0)
    reading.cancel()
    log = await whole_log(drivers[0].store)
    all_of_it = [(one.position, JobId(one.stream), one.version) for one in log]
    missed = len(set(all_of_it) - set(seen))
    assert seen == all_of_it, f"S16: a reader of the log missed {missed} of {len(all_of_it)} events"
    assert len(log) == expected
    versions: dict[JobId, int] = {}
    for one in log:
        assert one.version == versions.get(JobId(one.stream), 0) + 1, (
            "S16: not in the order of the job"
        )
        versions[JobId(one.stream)] = one.version
