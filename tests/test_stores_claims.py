"""Claims, renewals, what falls due and in which order, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.answers import Admitted
from parcae.change import Change, View
from parcae.effects import Offer, Remind
from parcae.errors import Reason
from parcae.handle import Held
from parcae.ports import Claimable, Named, Query, Store
from parcae.values import Place, Status, Token, WorkerId, seconds
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import PAYLOAD, WORKER, Driver, refused, spec

Scenario = Callable[[Driver], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Run:
    """Runs a scenario on a new store, which must find no fault in itself afterwards."""

    async def whole(scenario: Scenario) -> None:
        store: Store = (
            MemoryStore(clock=clock)
            if request.param == "memory"
            else SqliteStore(tmp_path / "jobs.db", clock=clock, durability="normal")
        )
        await scenario(Driver(store))
        assert await store.audit() == ()
        await store.close()

    return lambda scenario: asyncio.run(whole(scenario))


def test_of_many_claims_of_one_job_exactly_one_is_granted(run: Run) -> None:
    """S3."""

    async def scenario(driver: Driver) -> None:
        await driver.submit()
        claims = [driver.claim(f"r{i}", WorkerId(f"w{i}")) for i in range(30)]
        granted = [one for some in await asyncio.gather(*claims) for one in some]
        assert [one.lease.token for one in granted] == [1]

    run(scenario)


def test_a_repeated_claim_gets_the_same_leases_in_the_same_order(run: Run) -> None:
    """S25."""

    async def scenario(driver: Driver) -> None:
        for priority in (0, 5, 0):
            await driver.submit(replace(spec(), priority=priority))
        first = await driver.claim(limit=3)
        assert [one.job.spec.priority for one in first] == [5, 0, 0]
        assert await driver.claim(limit=3) == first
        assert len(await driver.store.log()) == 9

    run(scenario)


def test_claims_find_what_is_due_of_their_kinds_and_queues_in_order(
    run: Run, clock: ManualClock
) -> None:
    """S7."""

    async def scenario(driver: Driver) -> None:
        later = await driver.submit(replace(spec(), run_at=EPOCH + timedelta(hours=1)))
        other = await driver.submit(spec(kind="other"))
        first, urgent = await driver.submit(), await driver.submit(replace(spec(), priority=1))
        assert [one.job.id for one in await driver.claim(limit=9)] == [urgent, first]
        clock.advance(timedelta(hours=1))
        assert [one.job.id for one in await driver.claim("r2", limit=9)] == [later]
        for kinds, queues, found in (
            ({"other"}, None, [other]),
            ({"other"}, {"mail"}, []),
            ({"other"}, set(), []),
            (set(), None, []),
        ):
            selection = Claimable(
                worker=WORKER,
                request="r3",
                kinds=frozenset(kinds),
                queues=None if queues is None else frozenset(queues),
            )
            assert list((await driver.shown(selection)).jobs) == found

    run(scenario)


@pytest.mark.parametrize(
    ("token", "later", "reason"),
    [
        pytest.param(1, seconds(0), Reason.STALE_TOKEN, id="of a former holder"),
        pytest.param(3, seconds(0), Reason.UNKNOWN_TOKEN, id="of a token that was never given"),
        pytest.param(2, seconds(30), Reason.EXPIRED, id="of an expired lease, reclaimed or not"),
        pytest.param(2, seconds(-1), Reason.WOULD_SHORTEN, id="that would not extend the lease"),
    ],
)
def test_a_renewal_is_refused_and_the_rows_stay_as_they_are(
    run: Run, clock: ManualClock, token: int, later: timedelta, reason: Reason
) -> None:
    """S4, S24."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        await driver.claim("r1")
        await driver.tell(job, c.Release(token=Token(1)))
        await driver.claim("r2")
        clock.advance(later)
        await refused(driver, driver.tell(job, c.Renew(token=Token(token))), reason)

    run(scenario)


def test_a_renewal_without_any_lease_is_refused(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        renewal = driver.tell(job, c.Renew(token=Token(1)))
        await refused(driver, renewal, Reason.UNKNOWN_TOKEN)
        await driver.claim()
        await driver.tell(job, c.Release(token=Token(1)))
        await refused(driver, driver.tell(job, c.Renew(token=Token(1))), Reason.STALE_TOKEN)

    run(scenario)


def test_renewals_move_the_expiry_and_are_no_events(run: Run, clock: ManualClock) -> None:
    """Requirement 9."""

    async def scenario(driver: Driver) -> None:
        jobs = [await driver.submit() for _ in range(3)]
        granted = await driver.claim(limit=3)
        head = (await driver.store.log())[-1].position
        clock.advance(seconds(7))
        held = [Held(job_id=one.job.id, command=c.Renew(token=Token(1))) for one in granted]
        done = await driver.store.transact(
            Named(ids=tuple(jobs)), lambda view: rules.renew(view, held)[0]
        )
        assert done.position == head
        for job in jobs:
            stored = await driver.store.fetch(job)
            assert stored is not None
            assert stored.liveness is not None
            assert stored.liveness.expires_at == EPOCH + seconds(37)
            assert stored.job.version == 3
        assert await driver.store.next_due() == EPOCH + seconds(37)

    run(scenario)


def test_what_falls_due_is_found_the_longest_overdue_first(run: Run, clock: ManualClock) -> None:
    async def scenario(driver: Driver) -> None:
        jobs = []
        for _ in range(3):
            jobs.append(await driver.submit())
            await driver.claim(f"r{len(jobs)}")
            clock.advance(seconds(1))
        assert await driver.store.next_due() == EPOCH + seconds(30)
        clock.advance(timedelta(hours=1))
        done = await driver.reconcile(limit=2)
        assert [one.job_id for one in done.changes] == jobs[:2]
        assert (await driver.store.count(Query())) == {Status.SCHEDULED: 2, Status.RUNNING: 1}

    run(scenario)


def test_next_due_after_an_instant_leaves_out_what_was_due_before(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        assert await driver.store.next_due() is None
        later = EPOCH + timedelta(hours=1)
        await driver.submit(spec(kind="nobody serves it"))
        assert await driver.store.next_due() == EPOCH
        assert await driver.store.next_due(EPOCH) is None
        await driver.submit(replace(spec(), run_at=later, deadline=later + seconds(1)))
        assert await driver.store.next_due(EPOCH) == later
        assert await driver.store.next_due(later) == later + seconds(1)

    run(scenario)


def test_places_in_line_grow_whatever_becomes_of_the_jobs(run: Run) -> None:
    """Requirement 8."""

    async def scenario(driver: Driver) -> None:
        places = []
        for _ in range(3):
            job = await driver.submit()
            stored = await driver.store.fetch(job)
            assert stored is not None
            places.append(stored.job.place)
            await driver.tell(job, c.Cancel())
            await driver.tell(job, c.Delete())
        assert places == [1, 2, 3]

    run(scenario)


def test_what_a_change_owes_is_kept_as_its_effects_say(run: Run) -> None:
    """Requirement 6: the store asks no rule of its own what is offered, or due."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        stored = await driver.store.fetch(job)

        def moved(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            (offer,) = (one for one in note.effects if isinstance(one, Offer))
            later = replace(offer, at=EPOCH + timedelta(days=1))
            return [replace(note, effects=(later, Remind(at=EPOCH + timedelta(days=2))))]

        await driver.store.transact(Named(ids=(job,)), moved)
        assert await driver.claim() == []
        assert await driver.store.next_due(EPOCH) == EPOCH + timedelta(days=1)
        assert await driver.store.next_due(EPOCH + timedelta(days=1)) == EPOCH + timedelta(days=2)
        # The audit says so, for the state owes otherwise; then it is put right.
        assert len(await driver.store.audit()) > 0
        await driver.tell(job, c.Annotate(by="", note=""))
        assert stored is not None

    run(scenario)


def test_two_submissions_in_one_rule_take_places_one_after_the_other(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        def two(view: View) -> Sequence[Change]:
            first = rules.submit(view, spec(), PAYLOAD)
            assert isinstance(first.answer, Admitted)
            assert first.job is not None
            view = replace(view, place=Place(first.job.place + 1), seed=view.seed + 1)
            return [first, rules.submit(view, spec(), PAYLOAD)]

        done = await driver.store.transact(Named(), two)
        granted = await driver.claim(limit=2)
        assert [one.job.id for one in granted] == [one.job_id for one in done.changes]

    run(scenario)
