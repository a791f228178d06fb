"""What every store promises, by the numbers of ``parcae.ports.Store``; here memory and SQLite."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.answers import Admitted
from parcae.change import Change, Key, View
from parcae.effects import Offer, Remind
from parcae.errors import Conflict, LeaseLost, Reason, Rejected, Unavailable
from parcae.handle import Held
from parcae.ports import Claimable, Named, Query, Store
from parcae.state import Ended
from parcae.values import JobId, Place, Position, Status, Token, Version, WorkerId, blob, seconds
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import KIND, PAYLOAD, WORKER, Driver, result, spec

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


async def everything(store: Store) -> list[object]:
    """All that can be asked of it."""
    jobs = (await store.find(Query())).jobs
    blobs = [await store.blobs(one.job.id, ["payload", "result/only"]) for one in jobs]
    return [jobs, blobs, await store.log(), await store.count(Query()), await store.next_due()]


async def refused(driver: Driver, doing: Awaitable[object], reason: Reason) -> None:
    """It is refused for that reason, and everything is as it was (S18)."""
    before = await everything(driver.store)
    with pytest.raises((Rejected, Conflict, LeaseLost)) as caught:
        await doing
    assert getattr(caught.value, "reason", None) is reason
    assert await everything(driver.store) == before


def test_a_job_goes_from_its_submission_to_its_end(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        stored = await driver.store.fetch(job)
        assert stored is not None
        assert stored.job.status is Status.COMPLETED
        assert stored.liveness is None
        names = [type(one.event).__name__ for one in await driver.store.history(job)]
        assert names == [
            "Submitted",
            "Scheduled",
            "Started",
            "PhaseStarted",
            "PhaseCompleted",
            "Completed",
        ]
        assert await driver.store.blobs(job, ["payload", "result/only", "none"]) == {
            "payload": PAYLOAD,
            "result/only": b"{}",
        }

    run(scenario)


def test_when_a_rule_raises_nothing_is_written_and_its_caller_alone_is_told(run: Run) -> None:
    """Requirement 4; S18."""

    def bad(view: View) -> Sequence[Change]:
        rules.submit(view, spec(), PAYLOAD)
        raise ZeroDivisionError

    async def scenario(driver: Driver) -> None:
        done = await asyncio.gather(
            driver.submit(),
            driver.store.transact(Named(), bad),
            driver.submit(),
            return_exceptions=True,
        )
        assert [type(one) for one in done] == [str, ZeroDivisionError, str]
        assert await driver.store.count(Query()) == {Status.SCHEDULED: 2}

    run(scenario)


def test_when_a_change_was_made_for_another_version_it_conflicts(run: Run) -> None:
    """Requirement 5."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()

        def stale(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            return [replace(note, before=Version(1))]

        await refused(driver, driver.store.transact(Named(ids=(job,)), stale), Reason.MOVED_ON)

    run(scenario)


def test_when_the_second_change_of_a_rule_is_refused_the_first_is_not_written(run: Run) -> None:
    """Requirement 1; S23."""

    async def scenario(driver: Driver) -> None:
        job = await driver.submit()

        def half(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            return [rules.submit(view, spec(), PAYLOAD), note, note]

        await refused(driver, driver.store.transact(Named(ids=(job,)), half), Reason.MOVED_ON)

    run(scenario)


@pytest.mark.parametrize("what", ["outcome", "event"])
def test_an_ended_job_stays_as_it_ended_even_if_a_rule_asks_for_more(run: Run, what: str) -> None:
    """Requirement 7; S1."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()

        def rule(view: View) -> Sequence[Change]:
            note = rules.handle(view, job, c.Annotate(by="", note=""))
            assert note.job is not None
            assert isinstance(note.job.state, Ended)
            if what == "outcome":
                failed = replace(note.job.state, status=Status.FAILED)
                return [replace(note, job=replace(note.job, state=failed))]
            started = [one.event for one in history if type(one.event).__name__ == "Started"]
            return [replace(note, events=tuple(started))]

        history = await driver.store.history(job)
        await refused(driver, driver.store.transact(Named(ids=(job,)), rule), Reason.UNLAWFUL)

    run(scenario)


def test_notes_and_evidence_are_taken_after_the_end(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        await driver.tell(job, c.Annotate(by="me", note="seen"))
        assert len(await driver.store.history(job)) == 7

    run(scenario)


def test_a_deleted_job_leaves_its_deletion_in_the_log_and_its_place_and_name_to_nobody(
    run: Run,
) -> None:
    """Requirements 6 and 8; S22."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        await driver.tell(job, c.Delete())
        assert await driver.store.fetch(job) is None
        assert await driver.store.blobs(job, ["payload"]) == {}
        (left,) = await driver.store.history(job)
        assert (type(left.event).__name__, left.version) == ("Deleted", 7)
        assert list(await driver.store.log()) == [left]
        assert left.position == 7

        def again(view: View) -> Sequence[Change]:
            return [rules.handle(view, job, c.Submit(spec=spec()))]

        await refused(driver, driver.store.transact(Named(), again), Reason.MOVED_ON)
        after = await driver.store.fetch(await driver.submit())
        assert after is not None
        assert after.job.place == 2

    run(scenario)


def test_a_key_admits_one_job_until_it_expires_and_outlives_it(
    run: Run, clock: ManualClock
) -> None:
    """S17."""

    async def scenario(driver: Driver) -> None:
        racing = await asyncio.gather(*(driver.submit(key="k") for _ in range(20)))
        assert len(set(racing)) == 1
        (granted,) = await driver.claim()
        await driver.work(granted)
        await driver.tell(racing[0], c.Delete())
        assert await driver.submit(key="k") == racing[0]
        clock.advance(timedelta(seconds=61))
        assert await driver.submit(key="k") != racing[0]

    run(scenario)


def test_given_the_same_key_with_another_body_it_is_rejected(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        await driver.submit(key="k")
        other = driver.submit(spec(kind="other"), key="k")
        await refused(driver, other, Reason.KEY_REUSED)

    run(scenario)


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


def test_pages_are_newest_first_and_end(run: Run, clock: ManualClock) -> None:
    async def scenario(driver: Driver) -> None:
        jobs = []
        for number in range(7):
            jobs.append(await driver.submit(spec(kind="odd" if number % 2 else KIND)))
            clock.advance(seconds(1))
        found, cursor = [], ""
        while True:
            page = await driver.store.find(Query(limit=3, cursor=cursor))
            found += [one.job.id for one in page.jobs]
            cursor = page.cursor
            if not cursor:
                break
        assert found == jobs[::-1]
        odd = await driver.store.find(Query(kinds=frozenset({"odd"}), limit=3))
        assert [one.job.id for one in odd.jobs] == jobs[5:0:-2]
        assert odd.cursor == ""
        await driver.claim()
        held = await driver.store.find(Query(worker=WORKER))
        assert [one.job.id for one in held.jobs] == [jobs[0]]
        running = Query(statuses=frozenset({Status.RUNNING}))
        assert await driver.store.count(running) == {Status.RUNNING: 1}
        assert await driver.store.count(Query(queues=frozenset({"mail"}))) == {}

    run(scenario)


def test_a_reader_of_the_log_sees_every_event_once_and_in_order(run: Run) -> None:
    """S16."""

    async def scenario(driver: Driver) -> None:
        async def reader() -> list[Position]:
            seen: list[Position] = []
            while len(seen) < 60:
                mark = driver.store.mark()
                some = await driver.store.log(seen[-1] if seen else Position(0), 7)
                seen += [one.position for one in some]
                if not some:
                    await driver.store.wait(mark)
            return seen

        async def submit_many() -> None:
            for _ in range(10):
                await driver.submit()

        seen, *_ = await asyncio.gather(reader(), *(submit_many() for _ in range(3)))
        assert seen == list(range(1, 61))

    run(scenario)


def test_what_is_answered_is_seen_by_whoever_asks_next(run: Run) -> None:
    """Requirement 2: positions follow real time."""

    async def scenario(driver: Driver) -> None:
        last = Position(0)
        for _ in range(10):
            job = await driver.submit()
            assert await driver.store.fetch(job) is not None
            done = await driver.tell(job, c.Annotate(by="", note=""))
            assert done.position == last + 3
            last = done.position

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


def test_an_idle_change_is_no_commit(run: Run) -> None:
    """Requirement 9."""

    async def scenario(driver: Driver) -> None:
        job = await driver.finished()
        before, mark = await everything(driver.store), driver.store.mark()
        done = await driver.tell(job, c.Cancel())
        assert done.changes[0].idle
        assert done.position == 6
        assert driver.store.mark() == mark
        assert await everything(driver.store) == before

    run(scenario)


def test_a_commit_wakes_whoever_waits_in_any_loop_of_any_thread(run: Run) -> None:
    """Requirements 10 and 11; S27's answer comes to the loop that asked."""

    async def scenario(driver: Driver) -> None:
        mark, woken = driver.store.mark(), []

        async def wait() -> None:
            woken.append(await driver.store.wait(mark))

        threads = [threading.Thread(target=lambda: asyncio.run(wait())) for _ in range(3)]
        for thread in threads:
            thread.start()
        await driver.submit()
        for thread in threads:
            await asyncio.to_thread(thread.join, 10)
        assert len(woken) == 3
        assert all(one > mark for one in woken)

    run(scenario)


def test_a_wait_ends_at_its_instant_by_the_clock_of_the_store(run: Run, clock: ManualClock) -> None:
    async def scenario(driver: Driver) -> None:
        mark = driver.store.mark()
        waiting = asyncio.create_task(driver.store.wait(mark, EPOCH + timedelta(days=1)))
        while clock.next_alarm() is None:  # noqa: ASYNC110 - until it sleeps
            await asyncio.sleep(0)
        clock.advance(timedelta(days=1))
        assert await waiting == mark

    run(scenario)


def test_a_worker_thread_reaches_the_store_while_the_users_loop_is_blocked(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        await driver.submit()
        (granted,) = await driver.claim()
        renewed = threading.Event()

        def renew() -> None:
            asyncio.run(driver.tell(granted.job.id, c.Renew(token=granted.lease.token)))
            renewed.set()

        threading.Thread(target=renew).start()
        # On purpose: this blocks the event loop, like a handler that should not.
        assert renewed.wait(10)

    run(scenario)


def test_who_is_cancelled_while_waiting_does_not_disturb_the_others(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        tasks = [asyncio.create_task(driver.submit()) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        jobs = {one for one in done if isinstance(one, str)}
        assert len(jobs) >= 10
        found = {one.job.id for one in (await driver.store.find(Query())).jobs}
        assert jobs <= found

    run(scenario)


def test_a_closed_store_is_unavailable_and_closes_only_once(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        store = driver.store
        other: Store = MemoryStore()
        if isinstance(store, SqliteStore):
            other = SqliteStore(f"{store.path}-2")
        under_way = [asyncio.create_task(Driver(other).submit()) for _ in range(5)]
        # Two turns of the loop: what was asked before the close is answered.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await other.close()
        await other.close()
        assert len(set(await asyncio.gather(*under_way))) == 5
        for call in (
            other.transact(Named(), lambda _: ()),
            other.fetch(JobId("x")),
            other.wait(0),
            other.count(Query()),
            other.audit(),
        ):
            with pytest.raises(Unavailable, match="closed"):
                await call

    run(scenario)


def test_a_rule_can_change_what_the_view_holds_and_nothing_else_changes(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.submit(key="k")

        named = Named(ids=(job,), keys=(Key(scope="submit", key="k"),), blobs=True)
        view = await driver.shown(named)
        for part in (view.jobs, view.keys, view.blobs):
            assert isinstance(part, dict)
            part.clear()
        again = await driver.shown(named)
        assert list(again.jobs) == [job]
        assert list(again.blobs) == [(job, "payload")]
        assert [row.job_id for row in again.keys.values()] == [job]

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


def test_late_evidence_keeps_its_bytes_beside_those_of_the_result(
    run: Run, clock: ManualClock
) -> None:
    async def scenario(driver: Driver) -> None:
        job = await driver.submit()
        await driver.claim("r1")
        await driver.tell(job, c.StartPhase(token=Token(1), phase="only"))
        clock.advance(timedelta(minutes=1))
        await driver.reconcile()
        clock.advance(timedelta(minutes=1))
        (again,) = await driver.claim("r2")
        late = c.CompletePhase(token=Token(1), phase="only", result=result("only", b'"late"'))
        done = await driver.tell(job, late, b'"late"')
        assert isinstance(done.changes[0].answer, LeaseLost)
        await driver.work(again)
        names = ["result/only", "late/1"]
        assert await driver.store.blobs(job, names) == {"result/only": b"{}", "late/1": b'"late"'}

    run(scenario)


def test_a_payload_of_a_megabyte_comes_back_as_it_was(run: Run) -> None:
    async def scenario(driver: Driver) -> None:
        data = bytes(range(256)) * 4096
        big = replace(spec(), payload=blob("payload", data))
        done = await driver.store.transact(Named(), lambda view: [rules.submit(view, big, data)])
        job = done.changes[0].job_id
        assert await driver.store.blobs(job, ["payload"]) == {"payload": data}

    run(scenario)
