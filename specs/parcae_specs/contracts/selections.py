"""What a rule is shown: whom a claim finds and in which order, what is overdue, whose key it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from attrs import evolve as replace

from parcae import commands as c
from parcae.change import Key
from parcae.errors import Reason
from parcae.ports import Claimable, Named, Overdue, Query
from parcae.spec import PhaseSpec, UndoSpec
from parcae.values import Error, JobId, Lane, Status, Token, WorkerId, hours, seconds
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise, refused
from parcae_specs.drive import KIND, WORKER, Driver, spec
from parcae_specs.subject import Capability


def claimable(
    *kinds: str, queues: Iterable[str] | None = None, limit: int = 9, request: str = "look"
) -> Claimable:
    """What a worker of these kinds would be offered."""
    served = None if queues is None else frozenset(queues)
    return Claimable(
        worker=WORKER, request=request, kinds=frozenset(kinds), queues=served, limit=limit
    )


class Selections(Contract):
    """What requirement 1 says of loading, for each selection."""

    @promise("Store 1", "S17")
    async def test_s17_one_key_admits_one_job_under_any_race(self, kit: Kit) -> None:
        driver = await kit.driver()
        racing = await asyncio.gather(*(driver.submit(key="k") for _ in range(20)))
        assert len(set(racing)) == 1, f"S17: one key, {len(set(racing))} jobs"
        assert len((await driver.store.find(Query())).jobs) == 1

    @promise("Store 2", "S17", needs=[Capability.SHARED])
    async def test_s17_one_key_admits_one_job_whichever_store_is_asked(self, kit: Kit) -> None:
        drivers = [await kit.driver() for _ in range(3)]
        racing = await asyncio.gather(*(one.submit(key="k") for one in drivers * 5))
        assert len(set(racing)) == 1, f"S17: one key, {len(set(racing))} jobs"

    @promise("Store 6", "S17", needs=[Capability.CLOCK])
    async def test_s17_a_key_is_free_again_once_it_has_expired(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit(key="k")
        kit.moved.advance(seconds(59))
        assert await driver.submit(key="k") == job
        kit.moved.advance(seconds(1))
        assert await driver.submit(key="k") != job

    @promise("Store 1", "S17")
    async def test_s17_given_a_known_key_with_another_body_it_is_rejected(self, kit: Kit) -> None:
        driver = await kit.driver()
        await driver.submit(key="k")
        other = driver.submit(spec(kind="other"), key="k")
        await refused(driver.store, other, Reason.KEY_REUSED)

    @promise("Store 1", "S7")
    async def test_s7_a_claim_finds_those_behind_the_jobs_that_it_is_left_without(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        kinds = ("a", "b")
        plain = [await driver.submit(spec(kind=kinds[i % 2])) for i in range(6)]
        keyed = replace(spec(kind="a"), lane=Lane("named", "key"))
        named = [await driver.submit(keyed) for _ in range(3)]
        every = [*plain, *named]
        for left in ({plain[0]}, {plain[0], plain[1]}, {plain[0], named[0], plain[5]}, set(every)):
            for asked, served in ((("a", "b"), every), (("a",), [*plain[::2], *named])):
                wanted = replace(claimable(*asked, limit=3), without=frozenset(left))
                found = list((await driver.shown(wanted)).jobs)
                expected = [job for job in served if job not in left][:3]
                assert found == expected, f"S7: without {left}, found {found}, not {expected}"

    @promise("Store 2", "S3")
    async def test_s3_of_many_claims_of_one_job_exactly_one_is_granted(self, kit: Kit) -> None:
        driver = await kit.driver()
        await driver.submit()
        await _one_holder([driver] * 30)

    @promise("Store 2", "S3", needs=[Capability.SHARED])
    async def test_s3_of_many_claims_at_several_stores_exactly_one_is_granted(
        self, kit: Kit
    ) -> None:
        drivers = [await kit.driver() for _ in range(3)]
        for number in range(5):
            job = await drivers[0].submit()
            await _one_holder(drivers * 3, f"{number}-")
            await drivers[0].tell(job, c.Cancel(force=True))

    @promise("Store 1", "S25")
    async def test_s25_a_repeated_claim_gets_the_same_leases_in_the_same_order(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        for priority in (0, 5, 0):
            await driver.submit(replace(spec(), priority=priority))
        first = await driver.claim(limit=3)
        assert [one.job.spec.priority for one in first] == [5, 0, 0]
        assert await driver.claim(limit=3) == first
        assert len(await driver.store.log()) == 9
        assert await driver.claim("r1", WorkerId("somebody else"), limit=3) == []

    @promise("Store 1", "S7")
    async def test_s7_claims_find_their_kinds_and_queues_in_the_order_of_the_line(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        other = await driver.submit(spec(kind="other"))
        first = await driver.submit()
        mail = await driver.submit(replace(spec(), lane=Lane("mail", "a")))
        urgent = await driver.submit(replace(spec(), priority=1))
        last = await driver.submit(replace(spec(), lane=Lane("default", "b")))
        for wanted, found in (
            (claimable(KIND), [urgent, first, mail, last]),
            (claimable(KIND, "other"), [urgent, other, first, mail, last]),
            (claimable(KIND, limit=2), [urgent, first]),
            (claimable(KIND, queues=["mail"]), [mail]),
            (claimable("other", queues=["mail"]), []),
            (claimable("other", queues=[]), []),
            (claimable(), []),
        ):
            shown = list((await driver.shown(wanted)).jobs)
            assert shown == found, f"S7: {wanted} found {shown}, expected {found}"

    @promise("Store 1", "S7", needs=[Capability.CLOCK])
    async def test_s7_a_job_is_offered_from_its_time_on_until_it_is_too_late(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        begin = kit.clock.now()
        bounded = replace(spec(), run_at=begin + seconds(10), deadline=begin + seconds(20))
        later, now = await driver.submit(bounded), await driver.submit()
        for at, found in ((0, [now]), (9, [now]), (10, [later, now]), (20, [now])):
            kit.moved.set(begin + seconds(at))
            shown = list((await driver.shown(claimable(KIND))).jobs)
            assert shown == found, f"S7: after {at} seconds {shown} was offered"

    @promise("Store 1", "S7", needs=[Capability.CLOCK])
    async def test_s7_undos_go_before_all_forward_work(self, kit: Kit) -> None:
        driver = await kit.driver()
        saga = replace(spec(), phases=(PhaseSpec(name="a", undo=UndoSpec()), PhaseSpec(name="b")))
        failing, urgent = await driver.submit(saga), replace(spec(), priority=9)
        await driver.claim()
        for phase in ("a", "b"):
            await driver.tell(failing, c.StartPhase(token=Token(1), phase=phase))
            if phase == "a":
                await driver.tell(failing, c.CompletePhase(token=Token(1), phase=phase))
        error = Error(type="builtins.ValueError", permanent=True)
        await driver.tell(failing, c.Fail(token=Token(1), error=error))
        first = await driver.submit(urgent)
        kit.moved.advance(hours(1))
        shown = list((await driver.shown(claimable(KIND))).jobs)
        assert shown == [failing, first], "S7: an undo does not go first"

    @promise("Store 1", "L3", needs=[Capability.CLOCK])
    async def test_l3_what_falls_due_is_found_the_longest_overdue_first(self, kit: Kit) -> None:
        driver = await kit.driver()
        jobs: list[JobId] = []
        for _ in range(3):
            jobs.append(await driver.submit())
            await driver.claim(f"r{len(jobs)}")
            kit.moved.advance(seconds(1))
        # The first is renewed, and so falls due after the others.
        await driver.tell(jobs[0], c.Renew(token=Token(1)))
        kit.moved.advance(seconds(28))
        shown = list((await driver.shown(Overdue())).jobs)
        assert shown == [jobs[1]], "what falls due at this very instant is due, nothing else"
        kit.moved.advance(hours(1))
        line = list((await driver.shown(Overdue())).jobs)
        assert line == [jobs[1], jobs[2], jobs[0]], "not the longest overdue first"
        done = await driver.reconcile(limit=2)
        assert [one.job_id for one in done.changes] == jobs[1:]
        counts = await driver.store.count(Query())
        assert counts == {Status.SCHEDULED: 2, Status.RUNNING: 1}

    @promise("Store 1", "S20", needs=[Capability.CLOCK])
    async def test_s20_a_second_reconcile_finds_nothing(self, kit: Kit) -> None:
        driver = await kit.driver()
        await driver.submit()
        await driver.claim()
        kit.moved.advance(seconds(30))
        assert len((await driver.reconcile()).changes) == 1
        before = await driver.store.log()
        assert list((await driver.reconcile()).changes) == []
        assert await driver.store.log() == before

    @promise("Store 1", "S18")
    async def test_s18_a_rule_can_change_what_it_was_shown_and_nothing_else_changes(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit(key="k")
        named = Named(ids=(job,), keys=(Key(scope="submit", key="k"),), blobs=True)
        first = await driver.shown(named)
        for part in (first.jobs, first.keys, first.blobs):
            if isinstance(part, dict):
                part.clear()
        again = await driver.shown(named)
        assert list(again.jobs) == [job]
        assert list(again.blobs) == [(job, "payload")]
        assert [one.job_id for one in again.keys.values()] == [job]
        assert again.seed != first.seed, "chance is fresh for each run of a rule"

    @promise("Store 1", "S28")
    async def test_s28_who_is_not_there_is_not_shown(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        shown = await driver.shown(Named(ids=(JobId("nobody"), job, job)))
        assert list(shown.jobs) == [job]
        doing = driver.tell(JobId("nobody"), c.Cancel())
        await refused(driver.store, doing, Reason.NOT_FOUND)


async def _one_holder(drivers: Iterable[Driver], name: str = "") -> None:
    claims = [
        driver.claim(f"{name}r{index}", WorkerId(f"w{index}"))
        for index, driver in enumerate(drivers)
    ]
    granted = [one for some in await asyncio.gather(*claims) for one in some]
    tokens = [one.lease.token for one in granted]
    assert tokens == [1], f"S3: {len(granted)} workers hold the job, under tokens {tokens}"
