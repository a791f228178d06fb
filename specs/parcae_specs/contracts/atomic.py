"""All of a transaction or none of it, decided on one instant, whatever else is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.admit import submit
from parcae.change import Change, Revision, View
from parcae.errors import Reason
from parcae.ports import Named, Query
from parcae.values import JobId, Place, Position, Version
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise, refused, row
from parcae_specs.drive import PAYLOAD, Driver, spec
from parcae_specs.subject import Capability

DAY = timedelta(days=1)


def note(view: View, job: JobId, text: str) -> Change:
    """The change that adds a note."""
    return rules.handle(view, job, c.Annotate(by="", note=text))


def two(view: View) -> Sequence[Change | Revision]:
    """Rule: admit two jobs."""
    (first,) = submit(view, spec(), PAYLOAD)
    assert isinstance(first, Change)
    assert first.job is not None
    view = replace(view, place=Place(first.job.place + 1), seed=view.seed + 1)
    return [first, *submit(view, spec(), PAYLOAD)]


class Atomic(Contract):
    """Requirements 1, 2 and 4."""

    @promise("Store 1", "S23")
    async def test_s23_when_the_second_change_is_refused_the_first_is_not_written(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()

        def half(view: View) -> Sequence[Change | Revision]:
            again = note(view, job, "b")
            return [*submit(view, spec(), PAYLOAD), note(view, job, "a"), again]

        doing = driver.store.transact(Named(ids=(job,)), half)
        await refused(driver.store, doing, Reason.MOVED_ON)

    @promise("Store 1", "S23")
    async def test_s23_nobody_ever_sees_half_of_a_transaction(self, kit: Kit) -> None:
        driver = await kit.driver()
        seen: list[int] = []

        async def look() -> None:
            for _ in range(60):
                log = await driver.store.log()
                count = await driver.store.count(Query())
                seen.append(len(log))
                assert len(log) % 4 == 0, (
                    f"S23: the log has {len(log)} events, 4 are written at once"
                )
                assert sum(count.values()) % 2 == 0, (
                    "S23: one job of two that were admitted at once"
                )
                await asyncio.sleep(0)

        async def write() -> None:
            for _ in range(10):
                await driver.store.transact(Named(), two)

        await asyncio.gather(look(), *(write() for _ in range(3)))
        assert len(await driver.store.log()) == 120

    @promise("Store 4", "S18")
    async def test_s18_when_a_rule_raises_nothing_is_written_and_only_its_caller_is_told(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()

        def bad(view: View) -> Sequence[Change]:
            submit(view, spec(), PAYLOAD)
            raise ZeroDivisionError

        calls = [driver.submit(), driver.store.transact(Named(), bad), driver.submit()]
        done = await asyncio.gather(*calls, return_exceptions=True)
        told = [type(one) for one in done]
        assert told == [str, ZeroDivisionError, str], f"S18: a rule raised, and they got {told}"
        assert len((await driver.store.find(Query())).jobs) == 2

    @promise("Store 4", "S18")
    async def test_s18_when_a_rule_raises_after_it_changed_something_nothing_is_written(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        doing = driver.tell(job, c.Renew(token=7))  # type: ignore[arg-type]
        await refused(driver.store, doing, Reason.UNKNOWN_TOKEN)

    @promise("Store 1", "S21", needs=[Capability.CLOCK])
    async def test_s21_now_is_read_inside_the_transaction_and_after_its_locks(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()

        async def late(name: str) -> tuple[Position, View]:
            views: list[View] = []

            def rule(view: View) -> Sequence[Change]:
                views.append(view)
                kit.moved.advance(DAY)
                return [note(view, job, name)]

            done = await driver.store.transact(Named(ids=(job,)), rule)
            return done.position, views[-1]

        both = sorted(
            await asyncio.gather(*(late(str(i)) for i in range(4))), key=lambda one: one[0]
        )
        for (_, before), (_, after) in pairwise(both):
            waited = after.now - before.now
            assert waited >= DAY, f"S21: now was read before the locks were had: {waited}"

    @promise("Store 2", "S5")
    async def test_s5_of_many_concurrent_changes_of_one_job_none_is_lost(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        await _count_up([driver], job, 40)

    @promise("Store 2", "S5", needs=[Capability.SHARED])
    async def test_s5_of_changes_that_several_stores_make_none_is_lost(self, kit: Kit) -> None:
        drivers = [await kit.driver() for _ in range(3)]
        job = await drivers[0].submit()
        await _count_up(drivers, job, 30)

    @promise("Store 2", "S26")
    async def test_s26_of_two_that_each_depend_on_what_the_other_writes_one_is_first(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        for _ in range(10):
            first, second = await driver.submit(), await driver.submit()

            def unless(mine: JobId, theirs: JobId) -> object:
                def rule(view: View) -> Sequence[Change]:
                    noted = view.jobs[theirs].job.version > 2
                    return [] if noted else [note(view, mine, "I am first")]

                return driver.store.transact(Named(ids=(mine, theirs)), rule)

            await asyncio.gather(unless(first, second), unless(second, first))  # type: ignore[call-overload]
            rows = [await row(driver.store, job) for job in (first, second)]
            versions = sorted(one.job.version for one in rows)
            assert versions == [2, 3], "both wrote, each on what was so before the other"

    @promise("Store 2", "Store 5", "S16")
    async def test_s16_positions_follow_real_time(self, kit: Kit) -> None:
        driver = await kit.driver()
        last = Position(0)
        for _ in range(10):
            job = await driver.submit()
            assert await driver.store.fetch(job) is not None, "an answered commit is not seen"
            done = await driver.tell(job, c.Annotate(by="", note=""))
            log = await driver.store.log(last)
            assert done.position == log[-1].position > last
            assert len(log) == 3
            last = done.position

    @promise("Store 2", "S26", needs=[Capability.SHARED])
    async def test_s26_what_one_store_has_answered_the_other_sees_at_once(self, kit: Kit) -> None:
        here, there = await kit.driver(), await kit.driver()
        job = await here.submit()
        for number in range(10):
            teller, asked = (here, there) if number % 2 else (there, here)
            done = await teller.tell(job, c.Annotate(by="", note=str(number)))
            stored = await row(asked.store, job)
            assert stored.job.version == number + 3, "what is read is older than what was answered"
            assert (await asked.store.log())[-1].position == done.position
            shown = await asked.shown(Named(ids=(job,)))
            assert shown.jobs[job].job.version == number + 3, "a rule is shown an old job"

    @promise("Store 4", "Store 5", "S4")
    async def test_s4_a_change_that_was_made_for_another_version_conflicts(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        for wrong in (1, 3):

            def stale(view: View, before: int = wrong) -> Sequence[Change]:
                return [replace(note(view, job, ""), before=Version(before))]

            doing = driver.store.transact(Named(ids=(job,)), stale)
            await refused(driver.store, doing, Reason.MOVED_ON)


async def _count_up(drivers: Sequence[Driver], job: JobId, times: int) -> None:
    def rule(view: View) -> Sequence[Change]:
        return [note(view, job, str(view.jobs[job].job.version))]

    calls = [
        drivers[index % len(drivers)].store.transact(Named(ids=(job,)), rule)
        for index in range(times)
    ]
    done = await asyncio.gather(*calls)
    assert len({one.position for one in done}) == times, "S16: a position was given twice"
    history = await drivers[0].store.history(job)
    noted = [one.event.note for one in history if hasattr(one.event, "note")]
    assert noted == [str(2 + index) for index in range(times)], "an update was lost"
    await row(drivers[0].store, job)
