"""Statistics: what is in the queues, and where a job stands in them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from attrs import evolve as replace

from parcae import commands as c
from parcae.configure import configure
from parcae.ports import Named
from parcae.queues import Pause, QueueCommand, Rate, SetAging, SetLimit, SetRate
from parcae.survey import TIMED, Scope
from parcae.values import JobId, Lane, Status, seconds
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise
from parcae_specs.drive import KIND, Driver, spec
from parcae_specs.recount import checked
from parcae_specs.subject import Capability

HOUR = timedelta(hours=1)


class Counting(Contract):
    """Requirement 15."""

    @promise("Store 15", "S26")
    async def test_s26_a_survey_counts_each_job_once(self, kit: Kit) -> None:
        driver = await kit.driver()
        assert (await checked(driver.store, Scope())).queues == {}
        now = kit.clock.now()
        mail = replace(spec(), lane=Lane(queue="mail", key="k"))
        for what in (spec(), mail, replace(mail, lane=Lane(queue="mail", key="other"))):
            await driver.submit(what)
        await driver.claim(limit=2)
        for what in (spec(kind="x"), replace(spec(), run_at=now + HOUR)):
            await driver.submit(what)
        await driver.tell(await driver.submit(mail), c.Cancel())
        survey = await checked(driver.store, Scope())
        assert survey.queues["default"].running == 1
        assert survey.queues["default"].later == 1
        assert survey.queues["mail"].ended == {Status.CANCELLED: 1}
        for queues in (frozenset({"mail"}), frozenset({"mail", "none"}), frozenset[str]()):
            survey = await checked(driver.store, Scope(queues=queues))
            assert set(survey.queues) == queues & {"mail"}

    @promise("Store 15", "S26")
    async def test_s26_a_survey_says_what_is_set_and_what_it_left_out(self, kit: Kit) -> None:
        driver = await kit.driver()
        await _set(driver, "quiet", Pause())
        for number in range(3):
            for _ in range(number + 1):
                await driver.submit(replace(spec(), lane=Lane(key=f"k{number}")))
        survey = await driver.store.survey(Scope(lines=2))
        assert survey.settings["quiet"].paused
        assert [lane.key for lane in survey.lanes] == ["k2", "k1"], "the busiest go first"
        assert (survey.more_lanes, survey.more_queues) == (1, 0)
        assert survey.queues["default"].waiting == 6, "what is not listed counts in its queue"
        survey = await driver.store.survey(Scope(lines=1))
        assert (list(survey.queues), survey.more_queues) == (["default"], 1)

    @promise("Store 15", "S26")
    async def test_s26_the_samples_are_the_jobs_that_ended_last(self, kit: Kit) -> None:
        driver = await kit.driver()
        ended = []
        for _ in range(3):
            ended.append(await driver.finished())
            kit.moved.advance(seconds(1))
            await asyncio.sleep(0.002)
        await driver.submit()
        samples = (await driver.store.survey(Scope(sample=2))).samples
        for sample, job in zip(samples, (ended[2], ended[1]), strict=True):
            history = [one.event for one in await driver.store.history(job)]
            assert sample.events == tuple(one for one in history if isinstance(one, TIMED))
            assert sample.lane == Lane()
        other = Scope(queues=frozenset({"other"}))
        assert (await driver.store.survey(other)).samples == ()

    @promise("Store 15", "S7")
    async def test_s7_a_job_stands_where_it_will_be_claimed(self, kit: Kit) -> None:
        driver = await kit.driver()
        for aging in (None, 2):
            await _set(driver, "default", SetAging(aging=aging))
            keys = ("a", "b", "a", "a", "b", "a")
            jobs = [
                await driver.submit(replace(spec(), priority=number % 3, lane=Lane(key=key)))
                for number, key in enumerate(keys)
            ]
            await driver.submit(replace(spec(), run_at=kit.clock.now() + HOUR, priority=9))
            places: dict[JobId, tuple[int, int]] = {}
            for job in jobs:
                found = await driver.store.standing(job)
                assert found is not None
                places[job] = (found.ahead_in_queue, found.ahead)
            granted = await driver.claim(request=f"aging {aging}", limit=10)
            claimed = [one.job for one in granted]
            assert [places[one.id][0] for one in claimed] == list(range(6)), "S7"
            for key in "ab":
                mine = [places[one.id][1] for one in claimed if one.spec.lane.key == key]
                assert mine == list(range(len(mine))), "S7: in its lane"
            for one in granted:
                await driver.work(one)

    @promise("Store 15", "S7")
    async def test_s7_it_is_said_who_holds_the_slots_and_when_a_rate_lets_go(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        await _set(driver, "default", SetLimit(limit=1, each=True))
        await _set(driver, "default", SetRate(rate=Rate(count=1, per=HOUR)))
        first, second = await driver.submit(), await driver.submit()
        await driver.claim()
        found = await driver.store.standing(second)
        assert found is not None
        assert found.offer is not None
        assert [one.job.id for one in found.holders] == [first]
        assert (found.held, found.held_in_queue) == (1, 1)
        (row,) = found.free.values()
        assert row.expires_at is not None
        assert row.expires_at > found.now
        holder = await driver.store.standing(first)
        assert holder is not None
        assert holder.offer is None, "what is held stands in no line"
        assert await driver.store.standing(JobId("nobody")) is None

    @promise("Store 15", "Store 2", "S26")
    async def test_s26_a_survey_beside_commits_still_counts_each_job_once(self, kit: Kit) -> None:
        driver = await kit.driver()
        await _while_they_move(driver, driver)

    @promise("Store 15", "Store 2", "S26", needs=[Capability.SHARED])
    async def test_s26_a_survey_beside_another_store_s_commits_counts_each_job_once(
        self, kit: Kit
    ) -> None:
        await _while_they_move(await kit.driver(), await kit.driver())


async def _set(driver: Driver, queue: str, command: QueueCommand) -> None:
    await driver.store.transact(
        Named(queues=(queue,)), lambda view: configure(view, queue, command)
    )


async def _while_they_move(mover: Driver, reader: Driver) -> None:
    """A job is in one place at a time, or a survey was made of two instants."""
    number = 12
    for _ in range(number):
        await mover.submit(spec(kind=KIND))

    async def move() -> None:
        for step in range(number):
            (granted,) = await mover.claim(request=f"move {step}")
            await mover.work(granted)

    moving = asyncio.create_task(move())
    while not moving.done():
        tally = (await reader.store.survey(Scope(window=HOUR))).queues["default"]
        assert tally.alive + sum(tally.ended.values()) == number, f"Store 15: counted {tally}"
        await asyncio.sleep(0)
    await moving
