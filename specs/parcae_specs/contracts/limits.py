"""What bounds starts: limits, pauses, rates and aging, wherever a store counts them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from attrs import evolve as replace

from parcae import commands as c
from parcae.admission import Room, choose, offer, rate_keys
from parcae.change import Change, View
from parcae.ports import Claimable, Named, Query, Store
from parcae.queues import (
    Pause,
    Queue,
    QueueCommand,
    Rate,
    Resume,
    SetAging,
    SetLimit,
    SetRate,
)
from parcae.spec import PhaseSpec, UndoSpec
from parcae.values import Error, JobId, Lane, Status, Token, seconds
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise
from parcae_specs.contracts.selections import claimable
from parcae_specs.drive import KIND, WORKER, Driver, spec
from parcae_specs.subject import Capability


class Limits(Contract):
    """Requirement 1 for claims, where something is set for queues."""

    @promise("Store 1", "S6")
    async def test_s6_no_lane_gets_beyond_its_limit_nor_its_queue_beyond_its_own(
        self, kit: Kit
    ) -> None:
        """S6: each key two slots, one key but one, and the queue three in all."""
        driver = await kit.driver()
        await driver.set("api", SetLimit(limit=3))
        await driver.set("api", SetLimit(limit=2, each=True))
        await driver.set("api", SetLimit(limit=1, key="b"))
        jobs = {key: await submitted(driver, "api", key, 3) for key in "abc"}
        assert await claimed(driver, 9) == [*jobs["a"][:2], jobs["b"][0]]
        assert await claimed(driver, 9) == [], "S6: the queue has its three"
        await driver.tell(jobs["a"][0], c.Cancel(force=True))
        assert await claimed(driver, 9) == [jobs["a"][2]], "a slot is free again at once"
        await driver.tell(jobs["b"][0], c.Cancel(force=True))
        await driver.tell(jobs["a"][1], c.Cancel(force=True))
        assert await claimed(driver, 9) == [jobs["b"][1], jobs["c"][0]]

    @promise("Store 1", "S6")
    async def test_s6_a_claim_is_shown_how_many_slots_each_lane_of_its_queues_holds(
        self, kit: Kit
    ) -> None:
        """S6: held slots are a view of the jobs, in those queues that have bounds."""
        driver = await kit.driver()
        await submitted(driver, "free", "a", 3)
        await submitted(driver, "api", "a", 2)
        await submitted(driver, "api", "b", 1)
        assert len(await claimed(driver, 6)) == 6
        await submitted(driver, "free", "a", 1)
        await submitted(driver, "api", "c", 1)
        assert (await driver.shown(claimable(KIND))).held == {}, "no queue has bounds"
        await driver.set("api", SetLimit(limit=9))
        shown = await driver.shown(claimable(KIND))
        held = {Lane("api", "a"): 2, Lane("api", "b"): 1}
        assert shown.held == held, f"S6: {shown.held} are said to be held"
        assert set(shown.queues) == {"api"}

    @promise("Store 1", "S6")
    async def test_s6_a_job_that_is_asked_for_by_its_name_comes_with_what_bounds_its_lane(
        self, kit: Kit
    ) -> None:
        """S6: ``Named.lines`` shows what a claim would be shown, so that one job can be claimed."""
        driver = await kit.driver()
        jobs = await submitted(driver, "api", "a", 3)
        wanted = Named(ids=(jobs[2],), lines=True)
        assert (await driver.shown(wanted)).held == {}, "S6: no queue has bounds"
        await driver.set("api", SetLimit(limit=9))
        await driver.set("api", SetRate(rate=Rate(count=5, per=seconds(3_600))))
        assert await claimed(driver, 1) == jobs[:1]
        shown = await driver.shown(wanted)
        assert shown.held == {Lane("api", "a"): 1}, f"S6: {shown.held} are said to be held"
        assert rate_keys(Lane("api", "a"))[0] in shown.keys, "S6: a start is not counted"
        assert list(shown.jobs) == [jobs[2]]

    @promise("Store 1", "S6", "S7")
    async def test_s7_a_full_lane_holds_up_nobody_behind_it(self, kit: Kit) -> None:
        """S7: whoever stands behind many that cannot start is found by a claim of one job."""
        driver = await kit.driver()
        await driver.set("api", SetLimit(limit=1, key="a"))
        blocked = await submitted(driver, "api", "a", 40)
        (free,) = await submitted(driver, "api", "b", 1)
        assert await claimed(driver, 1) == blocked[:1]
        assert await claimed(driver, 1) == [free], "S7: held up by those who cannot start"
        assert await claimed(driver, 1) == []

    @promise("Store 1", "S6")
    async def test_s6_a_limit_that_is_lowered_kills_nothing_and_counts_what_runs(
        self, kit: Kit
    ) -> None:
        """S6: nothing starts until fewer than the new limit hold a slot."""
        driver = await kit.driver()
        jobs = await submitted(driver, "api", "", 5)
        assert await claimed(driver, 3) == jobs[:3]
        await driver.set("api", SetLimit(limit=2))
        assert await claimed(driver, 9) == []
        await driver.tell(jobs[0], c.Cancel(force=True))
        assert await claimed(driver, 9) == []
        await driver.tell(jobs[1], c.Cancel(force=True))
        assert await claimed(driver, 9) == jobs[3:4]

    @promise("Store 1", "S7", needs=[Capability.CLOCK])
    async def test_s7_a_paused_queue_starts_nothing_forward_but_undoes(self, kit: Kit) -> None:
        """S7: undos go on while a queue is paused, and forward work goes on where it stopped."""
        driver = await kit.driver()
        failing = await failed_saga(driver, "api")
        waiting = await submitted(driver, "api", "", 2)
        (elsewhere,) = await submitted(driver, "other", "", 1)
        await driver.set("api", Pause())
        kit.moved.advance(seconds(3_600))
        granted = await claimed(driver, 9)
        assert granted == [failing, elsewhere], f"S7: {granted} start in a paused queue"
        await driver.set("api", Resume())
        assert await claimed(driver, 9) == waiting

    @promise("Store 1", "S6", "L2", needs=[Capability.CLOCK])
    async def test_l2_a_rate_lets_jobs_start_when_it_says_and_somebody_looks_then(
        self, kit: Kit
    ) -> None:
        """L2: the rows of rates are shown to claims, and next_due knows when they expire."""
        driver = await kit.driver()
        await driver.set("api", SetRate(rate=Rate(count=1, per=seconds(10), burst=2)))
        await driver.set("api", SetRate(rate=Rate(count=1, per=seconds(60)), key="b"))
        first = await submitted(driver, "api", "a", 3)
        slow = await submitted(driver, "api", "b", 2)
        begin = kit.clock.now()
        assert await claimed(driver, 9) == first[:2]
        whole, _ = rate_keys(Lane("api", "a"))
        kept = (await driver.shown(Named(keys=(whole,)))).keys.get(whole)
        assert kept is not None, "S6: nobody knows how often jobs have started"
        assert kept.expires_at == begin + seconds(10)
        assert await driver.store.next_due(begin) == begin + seconds(10)
        assert await claimed(driver, 9) == []
        kit.moved.advance(seconds(10))
        shown = await driver.shown(claimable(KIND))
        assert shown.keys == {whole: kept}
        assert await claimed(driver, 9) == first[2:]
        kit.moved.advance(seconds(20))
        assert await claimed(driver, 9) == slow[:1]
        kit.moved.advance(seconds(50))
        assert await claimed(driver, 9) == [], "the key has a rate of its own"
        kit.moved.advance(seconds(10))
        assert await claimed(driver, 9) == slow[1:]

    @promise("Store 1", "S7")
    async def test_s7_with_aging_nobody_is_overtaken_for_ever(self, kit: Kit) -> None:
        """S7: one level of priority is worth so many places, from when it is set, and no more."""
        driver = await kit.driver()
        (patient,) = await submitted(driver, "api", "", 1)
        urgent = await submitted(driver, "api", "", 4, priority=1)
        assert await claimed(driver, 1) == urgent[:1]
        await driver.set("api", SetAging(aging=2))
        granted = await claimed(driver, 1)
        assert granted == [patient], f"S7: {granted} go before one who is old enough"
        assert await claimed(driver, 4) == urgent[1:]

    @promise("Store 1", "S6", "S7", needs=[Capability.CLOCK], long=True)
    async def test_s6_whatever_is_set_a_claim_takes_what_the_kernel_chooses_of_all(
        self, kit: Kit
    ) -> None:
        """S6, S7: the same jobs in the same order as chosen from everything that is offered."""
        for seed in range(6):
            driver = await kit.driver(f"store-{seed}")
            chance = random.Random(seed)
            for number in range(60):
                await _stir(driver, chance)
                if number % 3 == 0:
                    await _compared(kit, driver, chance, f"{seed}-{number}")


QUEUES, KEYS = ("api", "mail"), ("", "a", "b")


async def submitted(
    driver: Driver, queue: str, key: str, count: int, priority: int = 0
) -> list[JobId]:
    """So many jobs of one lane, in their order."""
    what = replace(spec(), lane=Lane(queue, key), priority=priority)
    return [await driver.submit(what) for _ in range(count)]


async def claimed(driver: Driver, limit: int) -> list[JobId]:
    """Whom a new claim is granted."""
    log = await driver.store.log(limit=1_000_000)
    granted = await driver.claim(f"r{len(log)}", limit=limit)
    return [one.job.id for one in granted]


async def failed_saga(driver: Driver, queue: str) -> JobId:
    """A job that has something to undo."""
    phases = (PhaseSpec(name="a", undo=UndoSpec()), PhaseSpec(name="b"))
    job = await driver.submit(replace(spec(), phases=phases, lane=Lane(queue)))
    token = Token(1)
    assert await claimed(driver, 1) == [job]
    await driver.tell(job, c.StartPhase(token=token, phase="a"))
    await driver.tell(job, c.CompletePhase(token=token, phase="a"))
    await driver.tell(job, c.StartPhase(token=token, phase="b"))
    error = Error(type="builtins.ValueError", permanent=True)
    await driver.tell(job, c.Fail(token=token, error=error))
    return job


def _settings(chance: random.Random) -> QueueCommand:
    key = chance.choice([None, *KEYS])
    commands: list[QueueCommand] = [
        Pause(),
        Resume(),
        Resume(),
        SetLimit(limit=chance.choice([None, 1, 2, 5]), key=key),
        SetLimit(limit=chance.choice([None, 1, 2]), each=True),
        SetRate(rate=chance.choice([None, Rate(count=1, per=seconds(5), burst=2)]), key=key),
        SetAging(aging=chance.choice([None, 1, 3])),
    ]
    return chance.choice(commands)


async def _stir(driver: Driver, chance: random.Random) -> None:
    """Something happens: mostly a job is submitted, now and then something is set, or ends."""
    what = chance.randrange(10)
    if what < 7:
        count, priority = chance.randrange(1, 3), chance.randrange(3)
        await submitted(driver, chance.choice(QUEUES), chance.choice(KEYS), count, priority)
    elif what < 9:
        await driver.set(chance.choice(QUEUES), _settings(chance))
    else:
        running = Query(statuses=frozenset({Status.RUNNING}), limit=1)
        for stored in (await driver.store.find(running)).jobs:
            await driver.tell(stored.job.id, c.Cancel(force=True))


async def _compared(kit: Kit, driver: Driver, chance: random.Random, request: str) -> None:
    kit.moved.advance(seconds(chance.randrange(8)))
    limit, queues = chance.randrange(1, 5), chance.choice([None, frozenset({"api"})])
    expected = await _chosen(kit, driver.store, limit, queues)
    wanted = Claimable(
        worker=WORKER, request=request, kinds=frozenset({KIND}), queues=queues, limit=limit
    )
    shown = await driver.shown(wanted)
    missing = [one for one in expected if one not in shown.jobs]
    assert not missing, f"S7: a claim is not shown {missing}"
    granted = await driver.claim(request, limit=limit, queues=queues)
    found = [one.job.id for one in granted]
    assert found == expected, f"S7: {found} were granted, the kernel chooses {expected}"


async def _chosen(kit: Kit, store: Store, limit: int, queues: frozenset[str] | None) -> list[JobId]:
    """What the kernel chooses of everything that is there."""
    now, jobs = kit.clock.now(), (await store.find(Query(limit=1_000))).jobs
    settings, rows = await _set(store)
    held = Counter(one.job.spec.lane for one in jobs if one.job.lease is not None)
    room = Room(now, settings, held, rows.keys)
    offered = [
        (one.job.id, found)
        for one in jobs
        if (found := offer(one.job, settings.get(one.job.spec.lane.queue))) is not None
        and found.at <= now
        and (queues is None or found.lane.queue in queues)
    ]
    return [job for job, _ in choose(offered, room, settings, limit)]


async def _set(store: Store) -> tuple[dict[str, Queue], View]:
    """What is set for queues, and the rows of their rates."""
    lanes = [Lane(queue, key) for queue in QUEUES for key in KEYS]
    keys = tuple({key: None for lane in lanes for key in rate_keys(lane)})
    views: list[View] = []

    def look(view: View) -> Sequence[Change]:
        views.append(view)
        return ()

    await store.transact(Named(queues=QUEUES, keys=keys), look)
    return dict(views[-1].queues), views[-1]
